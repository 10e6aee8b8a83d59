from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from chassis import testing
from chassis.database.pool import Pool
from chassis.database.session import Database
from services.feed import main


@pytest.fixture
async def feed(as_service: Callable[[str], None]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the feed's api, which runs in this process on a real database."""
    as_service("feed")
    app = main.create_app()
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
