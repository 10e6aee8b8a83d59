"""The composition root of tweets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from chassis import app, erasure, export, worker

from . import api, exports
from .attachments import MediaService
from .erasing import eraser
from .handlers import subscriptions
from .settings import Settings

MEDIA_SECONDS = 2


@asynccontextmanager
async def _asking_media(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    async with httpx.AsyncClient(timeout=MEDIA_SECONDS) as client:
        application.state.media = MediaService(client, settings.media_replicas)
        yield


def create_app() -> FastAPI:
    return app.create(
        Settings(), api.router, erasure.router, export.router(exports.LISTS), lifespan=_asking_media
    )


def create_worker() -> FastAPI:
    return worker.create(Settings(), subscriptions, jobs=[eraser.job])
