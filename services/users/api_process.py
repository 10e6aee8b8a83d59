"""Composes the api process of users."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chassis.database import listen_notify
from chassis.privacy import export
from chassis.privacy.erasure import api as erasure_api
from chassis.process import app, event_backlog
from chassis.task_cancellation import cancel_tasks

from . import api, commands, people_lists
from .direct_reads import ProfileReads
from .errors import UserNotFound
from .handlers import subscriptions
from .openid import Providers
from .people_csv import MAX_BYTES
from .privacy import EXPORT_LISTS
from .profile_cache import ProfileCache
from .profiles import Profiles
from .settings import Settings


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    database = application.state.database
    application.state.connections = connections = database.create_pool(
        settings.db_pool_size, people_lists.POOL_SETTINGS
    )
    cache = ProfileCache(settings.cache_bytes)
    application.state.profiles = Profiles(connections, cache, settings)
    if settings.admin_key is not None:
        async with database.transaction() as session:
            await commands.ensure_first_administrator(
                session,
                settings.admin_key.get_secret_value(),
                max_name_length=settings.max_name_length,
            )
    listening = asyncio.create_task(
        listen_notify.listen(
            database, {"users_profiles": cache.on_notification}, cache.set_connected
        )
    )
    try:
        yield
    finally:
        await cancel_tasks(listening)
        await application.state.providers.close()


def create_app() -> FastAPI:
    settings = Settings()
    application = app.create(
        settings,
        *api.routers,
        erasure_api.router,
        event_backlog.router(subscriptions),
        export.router(EXPORT_LISTS),
        lifespan=_lifespan,
        direct_reads=ProfileReads(),
        direct_writes=api.direct_writes,
        larger_bodies={api.IMPORT_PATH: MAX_BYTES},
    )
    application.state.providers = Providers(settings.sign_on)
    api.count_from_zero(settings.sign_on)
    application.add_exception_handler(UserNotFound, api.on_user_not_found)
    return application
