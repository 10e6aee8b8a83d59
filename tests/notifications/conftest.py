from collections.abc import AsyncIterator, Callable

import pytest

from chassis.database.session import Database
from services.notifications.settings import Settings


@pytest.fixture
async def database(as_service: Callable[[str], None]) -> AsyncIterator[Database]:
    as_service("notifications")
    database = Database(Settings())
    yield database
    await database.close()
