"""Composes the three processes of the notifications: api, worker and stream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chassis.privacy import erasure, export
from chassis.process import app, event_backlog, worker

from . import api
from .handlers import subscriptions
from .jobs import delete_old_notices
from .privacy import EXPORT_LISTS, eraser
from .settings import Settings
from .streaming import endpoint, screen_contents


@asynccontextmanager
async def _api_lifespan(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    application.state.connections = application.state.database.create_pool(settings.db_pool_size)
    yield


def create_app() -> FastAPI:
    return app.create(
        Settings(),
        *api.routers,
        screen_contents.router,
        erasure.router,
        event_backlog.router(subscriptions, publishes=False),
        export.router(EXPORT_LISTS),
        lifespan=_api_lifespan,
    )


def create_worker() -> FastAPI:
    return worker.create(
        Settings(), subscriptions, publishes=False, jobs=[eraser.job, delete_old_notices]
    )


def create_stream() -> endpoint.StreamProcess:
    return endpoint.create(Settings())
