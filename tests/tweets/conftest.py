from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from chassis import testing
from chassis.database import Database
from services.tweets import main


@pytest.fixture
async def tweets(as_service: Callable[[str], None]) -> AsyncIterator[httpx.AsyncClient]:
    """The api of tweets in this process, on a real database of this module's own."""
    as_service("tweets")
    app = main.create_app()
    async with testing.serving(app) as client:
        client.database = app.state.database  # type: ignore[attr-defined]
        yield client


@pytest.fixture
async def database(tweets: httpx.AsyncClient) -> Database:
    database: Database = tweets.database  # type: ignore[attr-defined]
    return database
