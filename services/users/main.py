"""The composition root of users: builds the HTTP application and the worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chassis.privacy import erasure, export
from chassis.process import app, backlog, worker

from . import api, commands, people_pages
from .errors import UserNotFound
from .handlers import subscriptions
from .openid import Providers
from .people_csv import MAX_BYTES
from .privacy import EXPORT_LISTS, eraser
from .settings import Settings


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    application.state.connections = application.state.database.create_pool(
        settings.db_pool_size, people_pages.POOL_SETTINGS
    )
    if settings.admin_key is not None:
        async with application.state.database.transaction() as session:
            await commands.ensure_first_administrator(
                session,
                settings.admin_key.get_secret_value(),
                max_name_length=settings.max_name_length,
            )
    try:
        yield
    finally:
        await application.state.providers.close()


def create_app() -> FastAPI:
    settings = Settings()
    application = app.create(
        settings,
        *api.routers,
        erasure.router,
        backlog.router(subscriptions),
        export.router(EXPORT_LISTS),
        lifespan=_lifespan,
        larger_bodies={api.IMPORT_PATH: MAX_BYTES},
    )
    application.state.providers = Providers(settings.sign_on)
    application.add_exception_handler(UserNotFound, api.on_user_not_found)
    return application


def create_worker() -> FastAPI:
    return worker.create(Settings(), subscriptions, jobs=[eraser.job])
