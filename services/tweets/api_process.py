"""Composes the api process of tweets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from chassis.privacy import export
from chassis.privacy.erasure import api as erasure_api
from chassis.process import app, event_backlog

from . import api
from .attachments import MediaClient
from .handlers import subscriptions
from .privacy import EXPORT_LISTS
from .settings import Settings

MEDIA_TIMEOUT_SECONDS = 2


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    async with httpx.AsyncClient(timeout=MEDIA_TIMEOUT_SECONDS) as client:
        application.state.media_client = MediaClient(client, settings.media_replicas)
        yield


def create_app() -> FastAPI:
    settings = Settings()
    return app.create(
        settings,
        *api.routers,
        erasure_api.router,
        event_backlog.router(subscriptions),
        export.router(EXPORT_LISTS),
        lifespan=_lifespan,
        direct_writes=api.direct_writes(settings),
    )
