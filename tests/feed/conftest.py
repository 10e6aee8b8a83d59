from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from chassis import testing
from chassis.database.pool import Pool
from chassis.database.session import Database
from services.feed import api_process


@pytest.fixture(scope="module")
def app(as_service: Callable[[str], None]) -> FastAPI:
    """Built once per module, because its routes take longer than most tests.

    Each test starts it anew: connections and caches belong to one test.
    """
    as_service("feed")
    return api_process.create_app()


@pytest.fixture
async def feed(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the feed's api, which runs in this process on a real database."""
    async with testing.client_for(app) as client:
        client.database = app.state.database  # type: ignore[attr-defined]
        client.connections = app.state.connections  # type: ignore[attr-defined]
        client.periods = app.state.periods  # type: ignore[attr-defined]
        yield client


@pytest.fixture
async def connections(feed: httpx.AsyncClient) -> Pool:
    """The connection pool of the feed's api."""
    connections: Pool = feed.connections  # type: ignore[attr-defined]
    return connections


@pytest.fixture
async def database(feed: httpx.AsyncClient) -> Database:
    database: Database = feed.database  # type: ignore[attr-defined]
    return database
