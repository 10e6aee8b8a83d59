import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ClassVar

import pytest
from aio_pika.abc import AbstractRobustConnection
from sqlalchemy import text

from chassis.database.session import Database, execute
from chassis.messaging import broker
from chassis.messaging.events import Event
from devstack.instance import Instance
from services.tweets.settings import Settings


class ProbeEvent(Event):
    """An event of the tests. Each test has a subclass with a routing key of its own."""

    routing_key: ClassVar[str]
    number: int


@pytest.fixture
def probe_event() -> type[ProbeEvent]:
    key = f"probe{secrets.token_hex(4)}.happened.v1"
    return type("UniqueProbeEvent", (ProbeEvent,), {"routing_key": key, "__module__": __name__})


@pytest.fixture
async def database(as_service: Callable[[str], None]) -> AsyncIterator[Database]:
    """A real database with an outbox and an inbox: that of tweets."""
    as_service("tweets")
    database = Database(Settings())
    yield database
    await database.close()


@pytest.fixture
async def connection(infrastructure: Instance) -> AsyncIterator[AbstractRobustConnection]:
    connection = await broker.connect(infrastructure.broker_url, "warble-test")
    async with connection:
        yield connection


@pytest.fixture
async def effects(database: Database) -> AsyncIterator[Callable[[], Awaitable[list[int]]]]:
    """An empty table for what handlers write; returns a function that reads it."""
    async with database.transaction() as session:
        await execute(session, text("create table if not exists effect (number bigint)"))
        await execute(session, text("truncate effect"))

    async def numbers() -> list[int]:
        async with database.transaction() as session:
            rows = await execute(session, text("select number from effect order by number"))
            return list(rows.scalars())

    yield numbers
