import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI

from chassis import testing
from chassis.database.session import Database
from devstack.instance import Instance
from services.media import api_process


@pytest.fixture
def bucket(
    apart: Instance, as_service: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A bucket for this test only, because a sweep would also delete objects of other tests."""
    as_service("media")
    name = f"test-{secrets.token_hex(6)}"
    monkeypatch.setenv("MEDIA_S3_BUCKET", name)
    yield
    shutil.rmtree(apart.uploads / name, ignore_errors=True)


@pytest.fixture
async def app(bucket: None) -> FastAPI:
    return api_process.create_app()


@pytest.fixture
async def media(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The API of media in this process, with a real database and a real store."""
    async with testing.client_for(app) as client:
        yield client


@pytest.fixture
async def database(app: FastAPI, media: httpx.AsyncClient) -> Database:
    database: Database = app.state.database
    return database
