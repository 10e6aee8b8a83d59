"""Composes the api process of the feed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from chassis.privacy.erasure import api as erasure_api
from chassis.process import app, event_backlog
from chassis.task_cancellation import cancel_tasks

from . import api
from .direct_reads import FirstPageReads, UrlIndex
from .handlers import subscriptions
from .inbox_listener import InboxListener
from .invalidating_cache import InvalidatingCache
from .page_cache import PageCache
from .periods import Periods
from .search import Search
from .settings import Settings
from .tags import Tags


@contextlib.asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    database = application.state.database
    connections = database.create_pool(settings.db_pool_size)
    cache = InvalidatingCache(settings.cache_bytes)
    inbox_listener = InboxListener(database, cache, connections)
    application.state.connections = connections
    application.state.page_cache = PageCache(connections, cache)
    application.state.periods = periods = Periods(connections)
    application.state.tags = Tags(connections, periods)
    application.state.search = Search(connections, periods)
    application.state.inbox_listener = inbox_listener
    listening = asyncio.create_task(inbox_listener.listen())
    yield
    await cancel_tasks(listening)


def create_app() -> FastAPI:
    settings = Settings()
    application = app.create(
        settings,
        *api.routers,
        erasure_api.router,
        event_backlog.router(subscriptions, publishes=False),
        lifespan=_lifespan,
        direct_reads=FirstPageReads(),
    )
    application.state.url_index = UrlIndex()
    return application
