"""What the outbox holds is published, once it has a queue to go to, by however many relays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue, AbstractRobustConnection
from sqlalchemy import text
from yarl import URL

from chassis import broker, outbox
from chassis.database import Database, execute
from chassis.relay import Relay
from deploy.local.instance import Instance
from tests.chaos.wire import Wire
from tests.waiting import PATIENCE_SECONDS, eventually

from .conftest import Happened

BLOCKED = bytes.fromhex("01 0000 00000005 000a003c 00 ce")
"""What a broker without room says to who publishes: Connection.Blocked, with an empty reason."""


async def record(database: Database, happened: type[Happened], numbers: range) -> None:
    async with database.transaction() as session:
        for number in numbers:
            await outbox.record(session, happened(number=number))


async def pending(database: Database, happened: type[Happened]) -> int:
    statement = text(
        "select count(*) from outbox where routing_key = :key and published_at is null"
    )
    async with database.transaction() as session:
        found = await execute(session, statement, {"key": happened.routing_key})
        count: int = found.scalar_one()
    return count


@asynccontextmanager
async def relaying(
    database: Database, url: str, relays: int = 1
) -> AsyncIterator[list[aio_pika.Connection]]:
    """Gives the connections that they open."""
    opened = []

    async def connect() -> aio_pika.Connection:
        opened.append(await broker.connect_once(url, "warble-test-relay"))
        return opened[-1]

    running = [Relay(database, connect) for _ in range(relays)]
    tasks = [asyncio.create_task(relay.run()) for relay in running]
    try:
        yield opened
    finally:
        for relay in running:
            relay.stop()
        await asyncio.wait(tasks)


async def listening(
    connection: AbstractRobustConnection, happened: type[Happened]
) -> AbstractQueue:
    channel = await connection.channel()
    exchange = await broker.events_exchange(channel)
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(exchange, happened.routing_key)
    return queue


async def received(queue: AbstractQueue, count: int) -> list[int]:
    numbers = []
    async with asyncio.timeout(PATIENCE_SECONDS), queue.iterator() as messages:
        async for message in messages:
            numbers.append(Happened.model_validate_json(message.body).number)
            await message.ack()
            if len(numbers) == count:
                break
    return numbers


async def test_two_relays_at_once_publish_each_event_once(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    happened: type[Happened],
) -> None:
    queue = await listening(connection, happened)
    await record(database, happened, range(500))

    async with relaying(database, infrastructure.broker_url, relays=2):
        numbers = await received(queue, 500)
        await eventually(lambda: _none_pending(database, happened))

    assert sorted(numbers) == list(range(500))
    left = await queue.declare()
    assert left.message_count == 0


async def _none_pending(database: Database, happened: type[Happened]) -> bool:
    return await pending(database, happened) == 0


async def test_an_event_that_no_queue_takes_stays_pending_and_holds_up_no_other(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    happened: type[Happened],
) -> None:
    unheard = type("Unheard", (Happened,), {"routing_key": f"un{happened.routing_key}"})
    queue = await listening(connection, happened)
    await record(database, unheard, range(3))
    await record(database, happened, range(3))

    async with relaying(database, infrastructure.broker_url):
        assert sorted(await received(queue, 3)) == [0, 1, 2]
        assert await pending(database, unheard) == 3

        late = await listening(connection, unheard)
        assert sorted(await received(late, 3)) == [0, 1, 2]
        await eventually(lambda: _none_pending(database, unheard))


async def test_an_event_whose_change_was_rolled_back_is_not_published(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    happened: type[Happened],
) -> None:
    queue = await listening(connection, happened)

    class Refused(Exception):
        pass

    try:
        async with database.transaction() as session:
            await outbox.record(session, happened(number=0))
            raise Refused
    except Refused:
        await record(database, happened, range(1, 2))

    async with relaying(database, infrastructure.broker_url):
        assert await received(queue, 1) == [1]


async def test_an_event_is_published_without_waiting_for_the_next_poll(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    happened: type[Happened],
) -> None:
    """A hundred in a row, each after the one before has come: polls alone would take minutes."""
    queue = await listening(connection, happened)

    async with relaying(database, infrastructure.broker_url):
        for number in range(100):
            await record(database, happened, range(number, number + 1))
            assert await received(queue, 1) == [number]


async def test_what_a_full_queue_refuses_holds_nobody_up_and_comes_when_there_is_room(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.relay.UNROUTABLE_SECONDS", 0)
    channel = await connection.channel()
    full = await channel.declare_queue(
        exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
    )
    await full.bind(await broker.events_exchange(channel), happened.routing_key)
    neighbour = type(
        "Neighbour", (Happened,), {"routing_key": f"{happened.routing_key[:-3]}.too.v1"}
    )
    others = await listening(connection, neighbour)
    await record(database, happened, range(3))
    await record(database, neighbour, range(1))

    async with relaying(database, infrastructure.broker_url):
        assert await received(others, 1) == [0]
        assert sorted(await received(full, 3)) == [0, 1, 2]


@asynccontextmanager
async def wired(infrastructure: Instance) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to the broker, and the address at its near end."""
    url = URL(infrastructure.broker_url)
    assert url.port
    async with Wire(0, url.port) as wire:
        yield wire, str(url.with_port(wire.port))


async def test_a_broker_that_was_silent_gets_the_events_when_it_speaks_again(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Long enough for the driver to give it up, which ends what waits for it by a cancellation."""
    monkeypatch.setattr("chassis.broker.HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr("chassis.relay.CONFIRM_SECONDS", 60)
    queue = await listening(connection, happened)

    async with wired(infrastructure) as (wire, url), relaying(database, url) as opened:
        await record(database, happened, range(1))
        assert await received(queue, 1) == [0]
        wire.flowing.clear()
        await record(database, happened, range(1, 2))
        await opened[0].closed()
        wire.flowing.set()

        assert await received(queue, 1) == [1]


async def test_a_broker_that_blocks_and_then_dies_gets_the_events_when_it_is_back(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.relay.CONFIRM_SECONDS", 1)
    waits, unblocked = asyncio.Event(), broker.unblocked

    async def noted(connection: aio_pika.Connection) -> None:
        waits.set()
        await unblocked(connection)

    monkeypatch.setattr("chassis.broker.unblocked", noted)
    queue = await listening(connection, happened)

    async with wired(infrastructure) as (wire, url), relaying(database, url):
        await record(database, happened, range(1))
        assert await received(queue, 1) == [0]
        wire.say(BLOCKED)
        wire.flowing.clear()
        await record(database, happened, range(1, 2))
        await waits.wait()
        wire.cut()
        wire.flowing.set()

        assert await received(queue, 1) == [1]
