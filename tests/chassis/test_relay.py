"""Events of the outbox are published once, whatever happens to relays, queues and the broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue, AbstractRobustConnection
from sqlalchemy import text
from yarl import URL

from chassis.database.session import Database, execute, fetch
from chassis.messaging import broker, message_format, outbox
from chassis.messaging.relay import Relay
from devstack.instance import Instance
from tests.chaos.tcp_proxy import TcpProxy
from tests.waiting import PATIENCE_SECONDS, eventually

from .conftest import ProbeEvent

BLOCKED = bytes.fromhex("01 0000 00000005 000a003c 00 ce")
"""The frame Connection.Blocked with an empty reason, which a broker that is out of memory or disk
sends to clients that publish."""


async def record(database: Database, probe_event: type[ProbeEvent], numbers: range) -> None:
    async with database.transaction() as session:
        for number in numbers:
            await outbox.record(session, probe_event(number=number))


async def count_pending(database: Database, probe_event: type[ProbeEvent]) -> int:
    statement = text(
        "select count(*) from outbox where routing_key = :key and published_at is null"
    )
    async with database.transaction() as session:
        found = await execute(session, statement, {"key": probe_event.routing_key})
        count: int = found.scalar_one()
    return count


@asynccontextmanager
async def running_relays(
    database: Database, url: str, relays: int = 1, events_per_message: int = 50
) -> AsyncIterator[list[aio_pika.Connection]]:
    """Runs relays; yields the list of the connections that they open."""
    opened = []

    async def connect() -> aio_pika.Connection:
        opened.append(await broker.connect_once(url, "warble-test-relay"))
        return opened[-1]

    running = [
        Relay(database, connect, events_per_message=events_per_message) for _ in range(relays)
    ]
    tasks = [asyncio.create_task(relay.run()) for relay in running]
    try:
        yield opened
    finally:
        for relay in running:
            relay.stop()
        await asyncio.wait(tasks)


async def bind_queue(
    connection: AbstractRobustConnection, probe_event: type[ProbeEvent]
) -> AbstractQueue:
    channel = await connection.channel()
    exchange = await broker.events_exchange(channel)
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(exchange, probe_event.routing_key)
    return queue


async def receive(queue: AbstractQueue, count: int) -> list[int]:
    numbers = []
    async with asyncio.timeout(PATIENCE_SECONDS), queue.iterator() as received:
        async for message in received:
            for event in message_format.decode(message):
                numbers.append(ProbeEvent.model_validate_json(event.payload).number)
            await message.ack()
            if len(numbers) >= count:
                break
    return numbers


async def test_two_relays_at_once_publish_each_event_once(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
) -> None:
    queue = await bind_queue(connection, probe_event)
    await record(database, probe_event, range(500))

    async with running_relays(database, infrastructure.broker_url, relays=2):
        numbers = await receive(queue, 500)
        await eventually(lambda: _none_pending(database, probe_event))

    assert sorted(numbers) == list(range(500))
    left = await queue.declare()
    assert left.message_count == 0


@pytest.mark.parametrize(("events_per_message", "count"), [(50, 2), (1, 60)])
async def test_a_backlog_leaves_in_messages_of_several_events(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    events_per_message: int,
    count: int,
) -> None:
    queue = await bind_queue(connection, probe_event)
    await record(database, probe_event, range(60))

    async with running_relays(
        database, infrastructure.broker_url, events_per_message=events_per_message
    ):
        await eventually(lambda: _none_pending(database, probe_event))
    assert (await queue.declare()).message_count == count
    assert sorted(await receive(queue, 60)) == list(range(60))


async def _none_pending(database: Database, probe_event: type[ProbeEvent]) -> bool:
    return await count_pending(database, probe_event) == 0


async def test_an_event_that_no_queue_takes_stays_pending_and_delays_no_other(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
) -> None:
    unbound_event = type(
        "UnboundEvent", (ProbeEvent,), {"routing_key": f"un{probe_event.routing_key}"}
    )
    queue = await bind_queue(connection, probe_event)
    await record(database, unbound_event, range(3))
    await record(database, probe_event, range(3))

    async with running_relays(database, infrastructure.broker_url):
        assert sorted(await receive(queue, 3)) == [0, 1, 2]
        assert await count_pending(database, unbound_event) == 3

        late = await bind_queue(connection, unbound_event)
        assert sorted(await receive(late, 3)) == [0, 1, 2]
        await eventually(lambda: _none_pending(database, unbound_event))


async def test_an_event_that_is_larger_than_a_frame_arrives_whole(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
) -> None:
    queue = await bind_queue(connection, probe_event)
    large_event = type(
        "LargeEvent", (probe_event,), {"__annotations__": {"text": str}, "__module__": __name__}
    )
    async with database.transaction() as session:
        for number in range(2):
            await outbox.record(session, large_event(number=number, text="x" * 300_000))

    async with running_relays(database, infrastructure.broker_url):
        assert await receive(queue, 2) == [0, 1]


async def test_an_event_whose_change_was_rolled_back_is_not_published(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
) -> None:
    queue = await bind_queue(connection, probe_event)

    class Abort(Exception):
        pass

    try:
        async with database.transaction() as session:
            await outbox.record(session, probe_event(number=0))
            raise Abort
    except Abort:
        await record(database, probe_event, range(1, 2))

    async with running_relays(database, infrastructure.broker_url):
        assert await receive(queue, 1) == [1]


@pytest.mark.parametrize("way", ["transaction", "direct_transaction", "autocommit"])
async def test_an_event_is_published_without_waiting_for_the_next_poll(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    way: str,
) -> None:
    """A hundred in a row, each after the one before has arrived: by polling, this takes minutes."""
    queue = await bind_queue(connection, probe_event)

    async with running_relays(database, infrastructure.broker_url):
        for number in range(100):
            event = probe_event(number=number)
            if way == "autocommit":
                await outbox.record(database.autocommit(), event)
            else:
                async with getattr(database, way)() as session:
                    await outbox.record(session, event)
            assert await receive(queue, 1) == [number]


async def test_a_process_that_wakes_the_relay_does_not_notify_within_its_transactions(
    database: Database, probe_event: type[ProbeEvent]
) -> None:
    """A transaction that notifies would hold a lock of the whole cluster: docs/adr/0044."""
    notified: asyncio.Queue[int] = asyncio.Queue()
    listener = await database.connect()
    await listener.add_listener("tweets_outbox", lambda *args: notified.put_nowait(args[1]))
    try:
        async with database.direct_transaction() as session:
            await outbox.record(session, probe_event(number=1))
            ((writer,),) = await fetch(session, "select pg_backend_pid()")

        notifier = await asyncio.wait_for(notified.get(), PATIENCE_SECONDS)
    finally:
        await listener.close()
    assert notifier != writer


async def test_an_event_that_a_full_queue_rejects_delays_no_other_and_arrives_when_there_is_room(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.messaging.relay.UNROUTABLE_DELAY_SECONDS", 0)
    channel = await connection.channel()
    full = await channel.declare_queue(
        exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
    )
    await full.bind(await broker.events_exchange(channel), probe_event.routing_key)
    neighbour = type(
        "Neighbour", (ProbeEvent,), {"routing_key": f"{probe_event.routing_key[:-3]}.too.v1"}
    )
    others = await bind_queue(connection, neighbour)
    await record(database, probe_event, range(3))
    await record(database, neighbour, range(1))

    async with running_relays(database, infrastructure.broker_url):
        assert await receive(others, 1) == [0]
        assert sorted(await receive(full, 3)) == [0, 1, 2]


@asynccontextmanager
async def proxied_broker(infrastructure: Instance) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A TCP proxy in front of the broker, and its address."""
    url = URL(infrastructure.broker_url)
    assert url.port
    async with TcpProxy(0, url.port) as proxy:
        yield proxy, str(url.with_port(proxy.port))


async def test_a_broker_that_was_silent_gets_the_events_when_it_answers_again(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The broker is silent until aiormq closes the connection and cancels the waiting tasks."""
    monkeypatch.setattr("chassis.messaging.broker.HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr("chassis.messaging.publisher.CONFIRM_TIMEOUT_SECONDS", 60)
    queue = await bind_queue(connection, probe_event)

    async with (
        proxied_broker(infrastructure) as (proxy, url),
        running_relays(database, url) as opened,
    ):
        await record(database, probe_event, range(1))
        assert await receive(queue, 1) == [0]
        proxy.flowing.clear()
        await record(database, probe_event, range(1, 2))
        await opened[0].closed()
        proxy.flowing.set()

        assert await receive(queue, 1) == [1]


async def test_a_broker_that_blocks_and_then_dies_gets_the_events_when_it_is_back(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.messaging.publisher.CONFIRM_TIMEOUT_SECONDS", 1)
    waiting, wait_until_unblocked = asyncio.Event(), broker.wait_until_unblocked

    async def wait_and_signal(connection: aio_pika.Connection) -> None:
        waiting.set()
        await wait_until_unblocked(connection)

    monkeypatch.setattr("chassis.messaging.broker.wait_until_unblocked", wait_and_signal)
    queue = await bind_queue(connection, probe_event)

    async with proxied_broker(infrastructure) as (proxy, url), running_relays(database, url):
        await record(database, probe_event, range(1))
        assert await receive(queue, 1) == [0]
        proxy.say(BLOCKED)
        proxy.flowing.clear()
        await record(database, probe_event, range(1, 2))
        await waiting.wait()
        proxy.cut()
        proxy.flowing.set()

        assert await receive(queue, 1) == [1]
