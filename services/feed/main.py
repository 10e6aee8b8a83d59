"""The composition root of the feed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from chassis import app, erasure, worker

from . import api
from .arrivals import Arrivals
from .erasing import eraser
from .handlers import subscriptions
from .memory import Memory
from .pages import Pages
from .recall import Addresses, Recall
from .settings import Settings


@contextlib.asynccontextmanager
async def _reading(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    database = application.state.database
    connections = database.connections(settings.db_pool_size)
    memory = Memory(settings.page_bytes)
    arrivals = Arrivals(database, memory, connections)
    application.state.connections = connections
    application.state.pages = Pages(connections, memory)
    application.state.arrivals = arrivals
    listening = asyncio.create_task(arrivals.listen())
    yield
    await app.end(listening)


def create_app() -> FastAPI:
    settings = Settings()
    application = app.create(settings, api.router, erasure.router, lifespan=_reading)
    application.state.addresses = Addresses()
    application.add_middleware(Recall)
    return application


def create_worker() -> FastAPI:
    return worker.create(Settings(), subscriptions, publishes=False, jobs=[eraser.job])
