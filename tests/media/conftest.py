from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from chassis import testing
from chassis.database import Database
from services.media import main


@pytest.fixture
async def app(as_service: Callable[[str], None]) -> FastAPI:
    as_service("media")
    return main.create_app()


@pytest.fixture
async def media(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The api of media in this process, on a real database and a real store."""
    async with testing.serving(app) as client:
        yield client


@pytest.fixture
async def database(app: FastAPI, media: httpx.AsyncClient) -> Database:
    database: Database = app.state.database
    return database
