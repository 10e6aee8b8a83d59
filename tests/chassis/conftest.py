import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ClassVar

import pytest
from aio_pika.abc import AbstractRobustConnection
from sqlalchemy import text

from chassis import broker
from chassis.database import Database, execute
from chassis.events import Event
from deploy.local.instance import Instance
from services.tweets.settings import Settings


class Happened(Event):
    """An event of these tests' own; each test has it under a routing key of its own."""

    routing_key: ClassVar[str]
    number: int


@pytest.fixture
def happened() -> type[Happened]:
    key = f"probe{secrets.token_hex(4)}.happened.v1"
    return type("ProbeHappened", (Happened,), {"routing_key": key, "__module__": __name__})


@pytest.fixture
async def database(as_service: Callable[[str], None]) -> AsyncIterator[Database]:
    """A real database that has an outbox and an inbox."""
    as_service("tweets")
    database = Database(Settings())
    yield database
    await database.close()


@pytest.fixture
async def connection(
    broker_turn: None, infrastructure: Instance
) -> AsyncIterator[AbstractRobustConnection]:
    connection = await broker.connect(infrastructure.broker_url, "warble-test")
    async with connection:
        yield connection


@pytest.fixture
async def effects(database: Database) -> AsyncIterator[Callable[[], Awaitable[list[int]]]]:
    """A table for the handlers' effects; gives what is in it."""
    async with database.transaction() as session:
        await execute(session, text("create table if not exists effect (number bigint)"))
        await execute(session, text("truncate effect"))

    async def numbers() -> list[int]:
        async with database.transaction() as session:
            rows = await execute(session, text("select number from effect order by number"))
            return list(rows.scalars())

    yield numbers
