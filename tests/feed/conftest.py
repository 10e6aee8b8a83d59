from collections.abc import AsyncIterator, Callable

import asyncpg
import httpx
import pytest

from chassis import testing
from chassis.database import Database
from services.feed import main


@pytest.fixture
async def feed(as_service: Callable[[str], None]) -> AsyncIterator[httpx.AsyncClient]:
    """The feed's api in this process, on a real database of this module's own."""
    as_service("feed")
    app = main.create_app()
    async with testing.serving(app) as client:
        client.database = app.state.database  # type: ignore[attr-defined]
        client.pool = app.state.pool  # type: ignore[attr-defined]
        yield client


@pytest.fixture
async def pool(feed: httpx.AsyncClient) -> asyncpg.Pool:
    """The connections that the feed's api itself reads by."""
    return feed.pool  # type: ignore[attr-defined]


@pytest.fixture
async def database(feed: httpx.AsyncClient) -> Database:
    database: Database = feed.database  # type: ignore[attr-defined]
    return database
