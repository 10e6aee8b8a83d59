from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from chassis import testing
from chassis.database.session import Database
from services.notifications import main
from services.notifications.settings import Settings


@pytest.fixture
async def database(as_service: Callable[[str], None]) -> AsyncIterator[Database]:
    as_service("notifications")
    database = Database(Settings())
    yield database
    await database.close()


@pytest.fixture
async def notifications(as_service: Callable[[str], None]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the notifications' api, which runs in this process on a real database."""
    as_service("notifications")
    async with testing.client_for(main.create_app()) as client:
        yield client
