"""The composition root of the feed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from chassis import app, worker

from . import api
from .arrivals import Arrivals
from .handlers import subscriptions
from .settings import Settings


@contextlib.asynccontextmanager
async def _reading(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    database = application.state.database
    async with await database.pool(settings.db_pool_size) as pool:
        arrivals = Arrivals(database, pool)
        application.state.pool = pool
        application.state.arrivals = arrivals
        listening = asyncio.create_task(arrivals.listen())
        yield
        await app.end(listening)


def create_app() -> FastAPI:
    return app.create(Settings(), api.router, lifespan=_reading)


def create_worker() -> FastAPI:
    return worker.create(Settings(), subscriptions, publishes=False)
