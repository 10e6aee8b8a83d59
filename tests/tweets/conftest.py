from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from chassis import testing
from chassis.database.session import Database
from services.tweets import api_process


@pytest.fixture(scope="module")
def app(as_service: Callable[[str], None]) -> FastAPI:
    """Built once per module, because its routes take longer than most tests.

    Each test starts it anew: connections and caches belong to one test.
    """
    as_service("tweets")
    return api_process.create_app()


@pytest.fixture
async def tweets(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The API of tweets in this process, with a real database for this module."""
    async with testing.client_for(app) as client:
        client.database = app.state.database  # type: ignore[attr-defined]
        yield client


@pytest.fixture
async def database(tweets: httpx.AsyncClient) -> Database:
    database: Database = tweets.database  # type: ignore[attr-defined]
    return database
