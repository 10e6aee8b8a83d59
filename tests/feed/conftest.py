from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from chassis import testing
from chassis.connections import Connections
from chassis.database import Database
from services.feed import main


@pytest.fixture
async def feed(as_service: Callable[[str], None]) -> AsyncIterator[httpx.AsyncClient]:
    """The feed's api in this process, on a real database of this module's own."""
    as_service("feed")
    app = main.create_app()
    async with testing.serving(app) as client:
        client.database = app.state.database  # type: ignore[attr-defined]
        client.connections = app.state.connections  # type: ignore[attr-defined]
        yield client


@pytest.fixture
async def connections(feed: httpx.AsyncClient) -> Connections:
    """The connections that the feed's api itself reads by."""
    connections: Connections = feed.connections  # type: ignore[attr-defined]
    return connections


@pytest.fixture
async def database(feed: httpx.AsyncClient) -> Database:
    database: Database = feed.database  # type: ignore[attr-defined]
    return database
