"""The composition root of users."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chassis import app, erasure, export, worker

from . import api, commands, exports
from .erasing import eraser
from .errors import UserNotFound
from .settings import Settings


@asynccontextmanager
async def _first_administrator(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    if settings.admin_key is not None:
        async with application.state.database.transaction() as session:
            await commands.ensure_first_administrator(
                session, settings.admin_key.get_secret_value(), name_length=settings.name_length
            )
    yield


def create_app() -> FastAPI:
    application = app.create(
        Settings(),
        *api.routers,
        erasure.router,
        export.router(exports.LISTS),
        lifespan=_first_administrator,
    )
    application.add_exception_handler(UserNotFound, api.on_user_not_found)
    return application


def create_worker() -> FastAPI:
    return worker.create(Settings(), jobs=[eraser.job])
