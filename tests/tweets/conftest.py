from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from chassis import testing
from chassis.database.session import Database
from services.tweets import main


@pytest.fixture
async def tweets(as_service: Callable[[str], None]) -> AsyncIterator[httpx.AsyncClient]:
    """The API of tweets in this process, with a real database for this module."""
    as_service("tweets")
    app = main.create_app()
    async with testing.client_for(app) as client:
        client.database = app.state.database  # type: ignore[attr-defined]
        yield client


@pytest.fixture
async def database(tweets: httpx.AsyncClient) -> Database:
    database: Database = tweets.database  # type: ignore[attr-defined]
    return database
