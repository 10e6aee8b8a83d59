from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from chassis import testing
from chassis.database.session import Database
from services.notifications import api_process
from services.notifications.settings import Settings

from .reader import Reader
from .rows import person


@pytest.fixture
async def database(as_service: Callable[[str], None]) -> AsyncIterator[Database]:
    as_service("notifications")
    database = Database(Settings())
    yield database
    await database.close()


@pytest.fixture(scope="module")
def app(as_service: Callable[[str], None]) -> FastAPI:
    """Built once per module, because its routes take longer than most tests.

    Each test starts it anew: connections and caches belong to one test.
    """
    as_service("notifications")
    return api_process.create_app()


@pytest.fixture
async def notifications(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the notifications' api, which runs in this process on a real database."""
    async with testing.client_for(app) as client:
        yield client


@pytest.fixture
async def ann(notifications: httpx.AsyncClient, database: Database) -> Reader:
    return Reader(notifications, await person(database, "Ann"))
