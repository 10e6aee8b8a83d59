"""Each message has its effect once; one that fails does not take its neighbours along."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection, AbstractRobustConnection
from aio_pika.exceptions import DeliveryError
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import broker
from chassis.consumer import Consumer, replay
from chassis.database import Database, execute, fetch
from chassis.subscriptions import Subscriptions
from tests.waiting import eventually

from .conftest import Happened


class Bug(Exception):
    """What a handler raises."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed messages come back at once: retries at a person's pace would make a slow test."""
    for module in ("subscriptions", "consumer", "broker"):
        monkeypatch.setattr(f"chassis.{module}.RETRY_DELAYS", (0, 0))


async def note(session: AsyncSession, event: Happened) -> None:
    await execute(session, text("insert into effect values (:number)"), {"number": event.number})


async def publish(
    connection: AbstractConnection, key: str, messages: list[tuple[str, bytes]]
) -> None:
    async with connection.channel(on_return_raises=True) as channel:
        exchange = await broker.events_exchange(channel)
        for message_id, body in messages:
            await exchange.publish(aio_pika.Message(body, message_id=message_id, type=key), key)


def message(number: int, event_number: int | None = None) -> tuple[str, bytes]:
    """An event under the number of its own, or under a given one."""
    body = b'{"number": %d}' % number
    return f"test:{number if event_number is None else event_number}", body


@asynccontextmanager
async def consuming(
    database: Database, connection: AbstractRobustConnection, reactions: Subscriptions
) -> AsyncIterator[None]:
    consumer = Consumer(database, connection, reactions)
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()


async def lying(connection: AbstractRobustConnection, queue: str) -> int:
    async with connection.channel() as channel:
        return (await channel.get_queue(queue)).declaration_result.message_count or 0


async def dead_letters(connection: AbstractRobustConnection, reactions: Subscriptions) -> int:
    (subscription,) = reactions
    return await lying(connection, subscription.dead_queue)


async def test_a_message_that_comes_many_times_has_its_effect_once(
    database: Database,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    reactions = Subscriptions(happened.routing_key.partition(".")[0])

    @reactions.on(happened)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None:
        await note(session, event)

    async with consuming(database, connection, reactions):
        first = int(happened.routing_key[5:13], 16) * 100
        messages = [message(first + number % 20) for number in range(100)]
        await publish(connection, happened.routing_key, messages)
        await eventually(lambda: _are(effects, [first + number for number in range(20)]))

    assert await dead_letters(connection, reactions) == 0


async def _are(effects: Callable[[], Awaitable[list[int]]], wanted: list[int]) -> bool:
    return await effects() == wanted


async def test_poison_is_buried_with_its_reason_and_its_neighbours_go_on(
    database: Database,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    reactions = Subscriptions(happened.routing_key.partition(".")[0])
    first = int(happened.routing_key[5:13], 16) * 100
    mended = False

    @reactions.on(happened)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None:
        await note(session, event)
        if event.number == first + 5 and not mended:
            raise Bug("five is not handled")

    messages = [message(first + number) for number in range(10)]
    rubbish = [("", b"{}"), ("test:x", b"{}"), ("test:1", b"\xff"), ("test:1", b"[]")]
    async with consuming(database, connection, reactions):
        await publish(connection, happened.routing_key, [*rubbish, *messages])
        wanted = [first + number for number in range(10) if number != 5]
        await eventually(lambda: _are(effects, wanted))
        await eventually(lambda: _buried(connection, reactions, len(rubbish) + 1))

        (subscription,) = reactions
        async with connection.channel() as channel:
            dead = await channel.get_queue(subscription.dead_queue)
            reasons = set()
            for _ in range(len(rubbish) + 1):
                letter = await dead.get()
                assert letter is not None
                reasons.add(str(letter.headers["warble-error"]).partition(":")[0])
                await letter.reject(requeue=True)
            assert {"Bug", "ValueError"} <= reasons

            mended = True
            assert await replay(channel, reactions) == len(rubbish) + 1
        await eventually(lambda: _are(effects, [first + number for number in range(10)]))
        await eventually(lambda: _buried(connection, reactions, len(rubbish)))


async def _buried(
    connection: AbstractRobustConnection, reactions: Subscriptions, count: int
) -> bool:
    return await dead_letters(connection, reactions) == count


@pytest.mark.parametrize("way", ["driver", "cursor"])
async def test_a_value_that_the_driver_refuses_is_poison_and_no_outage(
    database: Database,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    effects: Callable[[], Awaitable[list[int]]],
    way: str,
) -> None:
    reactions = Subscriptions(happened.routing_key.partition(".")[0])
    first = int(happened.routing_key[5:13], 16) * 100

    @reactions.on(happened)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None:
        if way == "driver":
            await fetch(session, "insert into effect values ($1::bigint)", event.number)
        else:
            await note(session, event)

    async with consuming(database, connection, reactions):
        messages = [message(2**70, first), message(first + 1)]
        await publish(connection, happened.routing_key, messages)
        await eventually(lambda: _are(effects, [first + 1]))
        await eventually(lambda: _buried(connection, reactions, 1))


async def test_what_fails_once_is_tried_again_and_leaves_one_effect(
    database: Database,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    reactions = Subscriptions(happened.routing_key.partition(".")[0])
    first = int(happened.routing_key[5:13], 16) * 100
    failed: set[int] = set()

    @reactions.on(happened)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None:
        await note(session, event)
        if event.number not in failed:
            failed.add(event.number)
            raise Bug

    async with consuming(database, connection, reactions):
        messages = [message(first + number) for number in range(20)]
        await publish(connection, happened.routing_key, messages)
        await eventually(lambda: _are(effects, [first + number for number in range(20)]))

    assert await dead_letters(connection, reactions) == 0


async def test_an_event_with_nothing_to_do_is_passed_over(
    database: Database,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    reactions = Subscriptions(happened.routing_key.partition(".")[0])
    first = int(happened.routing_key[5:13], 16) * 100

    @reactions.on(happened, when=lambda event: event.number % 2 == 0)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None:
        await note(session, event)

    async with consuming(database, connection, reactions):
        messages = [message(first + number) for number in range(10)]
        await publish(connection, happened.routing_key, messages)
        await eventually(lambda: _are(effects, [first + number for number in range(0, 10, 2)]))

    (subscription,) = reactions
    assert await lying(connection, subscription.queue) == 0


async def test_a_database_that_has_no_room_is_waited_for_and_no_message_is_to_blame(
    database: Database,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    effects: Callable[[], Awaitable[list[int]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.consumer.DATABASE_AWAY_SECONDS", 0)
    reactions = Subscriptions(happened.routing_key.partition(".")[0])
    first = int(happened.routing_key[5:13], 16) * 100
    full_for = 20

    @reactions.on(happened)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None:
        nonlocal full_for
        full_for -= 1
        if full_for > 0:
            full = "do $$ begin raise exception 'full' using errcode = 'disk_full'; end $$"
            await execute(session, text(full))
        await note(session, event)

    async with consuming(database, connection, reactions):
        await publish(connection, happened.routing_key, [message(first)])
        await eventually(lambda: _are(effects, [first]))

    assert full_for <= 0
    assert await dead_letters(connection, reactions) == 0


async def test_an_event_of_the_next_version_is_read_as_far_as_it_is_known(
    database: Database,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    reactions = Subscriptions(happened.routing_key.partition(".")[0])
    first = int(happened.routing_key[5:13], 16) * 100

    @reactions.on(happened)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None:
        await note(session, event)

    newer = b'{"number": %d, "mood": "glad", "parts": [{"of": null}]}' % first
    unknown_key = happened.routing_key.replace(".v1", ".v2")
    async with consuming(database, connection, reactions):
        with suppress(DeliveryError):
            await publish(connection, unknown_key, [("test:1", b'{"quantity": 1}')])
        await publish(connection, happened.routing_key, [("test:2", newer)])
        await eventually(lambda: _are(effects, [first]))

    assert await dead_letters(connection, reactions) == 0


async def test_queues_of_an_earlier_version_go_on_with_what_they_hold(
    database: Database,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    service = happened.routing_key.partition(".")[0]
    reactions = Subscriptions(service)
    first = int(happened.routing_key[5:13], 16) * 100
    seen: list[int] = []

    @reactions.on(happened)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None:
        seen.append(event.number)
        if event.number == first + 2:
            raise Bug
        await note(session, event)

    (subscription,) = reactions
    before = {"x-queue-type": "quorum", "x-dead-letter-exchange": ""}
    async with connection.channel() as channel:
        old = await channel.declare_queue(subscription.queue, durable=True, arguments=before)
        retry = await channel.declare_queue(
            reactions.retry_exchange(0), durable=True, arguments={**before, "x-message-ttl": 0}
        )
        exchange = await broker.events_exchange(channel)
        await old.bind(exchange, happened.routing_key)
    await publish(connection, happened.routing_key, [message(first + 1)])

    async with consuming(database, connection, reactions):
        await publish(connection, happened.routing_key, [message(first + 2), message(first + 3)])

        async def all_is_settled() -> bool:
            done = await effects() == [first + 1, first + 3]
            return done and await dead_letters(connection, reactions) == 1

        await eventually(all_is_settled)
    assert seen.count(first + 2) >= 3
    assert await broker.of_before(connection, reactions) == {old.name, retry.name}
