"""Composes the api process of notifications."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chassis.privacy import export
from chassis.privacy.erasure import api as erasure_api
from chassis.process import app, event_backlog

from . import api
from .handlers import subscriptions
from .privacy import EXPORT_LISTS
from .settings import Settings
from .streaming import screen_contents


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    application.state.connections = application.state.database.create_pool(settings.db_pool_size)
    yield


def create_app() -> FastAPI:
    return app.create(
        Settings(),
        *api.routers,
        screen_contents.router,
        erasure_api.router,
        event_backlog.router(subscriptions, publishes=False),
        export.router(EXPORT_LISTS),
        lifespan=_lifespan,
    )
