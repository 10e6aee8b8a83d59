"""Each message takes effect once; one that fails does not stop its neighbours."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection, AbstractRobustConnection
from aio_pika.exceptions import DeliveryError
from aiormq.abc import FieldValue

from chassis.database.session import AnySession, Database, fetch
from chassis.messaging import broker
from chassis.messaging.consumer import Consumer, replay
from chassis.messaging.subscriptions import Subscriptions
from chassis.observability.event_metrics import OCCURRED_AT_HEADER
from tests.waiting import eventually

from .conftest import ProbeEvent


class Bug(Exception):
    """What a handler raises."""


@pytest.fixture(autouse=True)
def no_retry_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed messages come back at once: with the real delays, the tests would take minutes."""
    for module in ("subscriptions", "consumer", "broker"):
        monkeypatch.setattr(f"chassis.messaging.{module}.RETRY_DELAYS", (0, 0))


async def insert_effect(session: AnySession, event: ProbeEvent) -> None:
    await fetch(session, "insert into effect values ($1)", event.number)


async def publish(
    connection: AbstractConnection,
    key: str,
    messages: list[tuple[str, bytes]],
    headers: dict[str, FieldValue] | None = None,
) -> None:
    async with broker.open_channel(connection, on_return_raises=True) as channel:
        exchange = await broker.events_exchange(channel)
        for message_id, body in messages:
            await exchange.publish(
                aio_pika.Message(body, message_id=message_id, type=key, headers=headers or {}), key
            )


def message(number: int, event_number: int | None = None) -> tuple[str, bytes]:
    """An event's message id and body. The id has the event's own number unless another is given."""
    body = b'{"number": %d}' % number
    return f"test:{number if event_number is None else event_number}", body


@asynccontextmanager
async def consuming(
    database: Database, connection: AbstractRobustConnection, subscriptions: Subscriptions
) -> AsyncIterator[None]:
    consumer = Consumer(database, connection, subscriptions)
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()


async def message_count(connection: AbstractRobustConnection, queue: str) -> int:
    async with connection.channel() as channel:
        return (await channel.get_queue(queue)).declaration_result.message_count or 0


async def count_dead_letters(
    connection: AbstractRobustConnection, subscriptions: Subscriptions
) -> int:
    (subscription,) = subscriptions
    return await message_count(connection, subscription.dead_queue)


async def test_a_message_that_is_delivered_many_times_takes_effect_once(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)

    async with consuming(database, connection, subscriptions):
        first = int(probe_event.routing_key[5:13], 16) * 100
        messages = [message(first + number % 20) for number in range(100)]
        await publish(connection, probe_event.routing_key, messages)
        await eventually(lambda: _effects_are(effects, [first + number for number in range(20)]))

    assert await count_dead_letters(connection, subscriptions) == 0


async def test_a_batch_is_handled_in_bulk_and_one_by_one_when_that_fails(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])
    first = int(probe_event.routing_key[5:13], 16) * 100
    bulks: list[int] = []
    alone: list[int] = []

    async def insert_effects(session: AnySession, events: Sequence[tuple[ProbeEvent, int]]) -> None:
        bulks.append(len(events))
        for event, _ in events:
            await insert_effect(session, event)
        if any(event.number == first + 25 for event, _ in events):
            raise Bug("twenty-five is not handled in bulk")

    @subscriptions.on(probe_event, bulk=insert_effects)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        alone.append(event.number)
        await insert_effect(session, event)

    messages = [message(first + number % 30) for number in range(60)]
    async with consuming(database, connection, subscriptions):
        pass
    await publish(connection, probe_event.routing_key, messages)
    async with consuming(database, connection, subscriptions):
        await eventually(lambda: _effects_are(effects, [first + number for number in range(30)]))

    assert max(bulks) > 1
    assert first + 25 in alone
    assert await count_dead_letters(connection, subscriptions) == 0


async def test_a_handler_knows_when_the_event_occurred(
    database: Database, connection: AbstractRobustConnection, probe_event: type[ProbeEvent]
) -> None:
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])
    number = int(probe_event.routing_key[5:13], 16) * 100
    times: list[datetime] = []

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        times.append(event.occurred_at)

    async with consuming(database, connection, subscriptions):
        message_id, body = message(number)
        headers: dict[str, FieldValue] = {OCCURRED_AT_HEADER: 1_767_225_600_123}
        await publish(connection, probe_event.routing_key, [(message_id, body)], headers)
        await eventually(lambda: _is_nonempty(times))

    assert times == [datetime(2026, 1, 1, microsecond=123_000, tzinfo=UTC)]


async def _is_nonempty(values: list[datetime]) -> bool:
    return bool(values)


async def _effects_are(effects: Callable[[], Awaitable[list[int]]], expected: list[int]) -> bool:
    return await effects() == expected


async def test_a_poison_message_is_dead_lettered_with_its_reason_and_its_neighbours_are_handled(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])
    first = int(probe_event.routing_key[5:13], 16) * 100
    fixed = False

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)
        if event.number == first + 5 and not fixed:
            raise Bug("five is not handled")

    messages = [message(first + number) for number in range(10)]
    unparsable = [("", b"{}"), ("test:x", b"{}"), ("test:1", b"\xff"), ("test:1", b"[]")]
    async with consuming(database, connection, subscriptions):
        await publish(connection, probe_event.routing_key, [*unparsable, *messages])
        expected = [first + number for number in range(10) if number != 5]
        await eventually(lambda: _effects_are(effects, expected))
        await eventually(lambda: _dead_letters_are(connection, subscriptions, len(unparsable) + 1))

        (subscription,) = subscriptions
        async with connection.channel() as channel:
            dead = await channel.get_queue(subscription.dead_queue)
            reasons = set()
            for _ in range(len(unparsable) + 1):
                letter = await dead.get()
                assert letter is not None
                reasons.add(str(letter.headers["warble-error"]).partition(":")[0])
                await letter.reject(requeue=True)
            assert {"Bug", "ValueError"} <= reasons

            fixed = True
            assert await replay(channel, subscriptions) == len(unparsable) + 1
        await eventually(lambda: _effects_are(effects, [first + number for number in range(10)]))
        await eventually(lambda: _dead_letters_are(connection, subscriptions, len(unparsable)))


async def _dead_letters_are(
    connection: AbstractRobustConnection, subscriptions: Subscriptions, count: int
) -> bool:
    return await count_dead_letters(connection, subscriptions) == count


@pytest.mark.parametrize("way", ["driver", "cursor"])
async def test_a_value_that_the_driver_refuses_is_poison_and_not_an_outage(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
    way: str,
) -> None:
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])
    first = int(probe_event.routing_key[5:13], 16) * 100

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        if way == "driver":
            await fetch(session, "insert into effect values ($1::bigint)", event.number)
        else:
            await insert_effect(session, event)

    async with consuming(database, connection, subscriptions):
        messages = [message(2**70, first), message(first + 1)]
        await publish(connection, probe_event.routing_key, messages)
        await eventually(lambda: _effects_are(effects, [first + 1]))
        await eventually(lambda: _dead_letters_are(connection, subscriptions, 1))


async def test_a_message_that_fails_once_is_retried_and_takes_effect_once(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])
    first = int(probe_event.routing_key[5:13], 16) * 100
    failed: set[int] = set()

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)
        if event.number not in failed:
            failed.add(event.number)
            raise Bug

    async with consuming(database, connection, subscriptions):
        messages = [message(first + number) for number in range(20)]
        await publish(connection, probe_event.routing_key, messages)
        await eventually(lambda: _effects_are(effects, [first + number for number in range(20)]))

    assert await count_dead_letters(connection, subscriptions) == 0


async def test_an_irrelevant_event_is_acknowledged_and_not_handled(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])
    first = int(probe_event.routing_key[5:13], 16) * 100

    @subscriptions.on(probe_event, when=lambda event: event.number % 2 == 0)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)

    async with consuming(database, connection, subscriptions):
        messages = [message(first + number) for number in range(10)]
        await publish(connection, probe_event.routing_key, messages)
        await eventually(
            lambda: _effects_are(effects, [first + number for number in range(0, 10, 2)])
        )

    (subscription,) = subscriptions
    assert await message_count(connection, subscription.queue) == 0


async def test_the_consumer_waits_for_a_database_without_disk_space_and_counts_no_attempt(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.messaging.consumer.DATABASE_RETRY_SECONDS", 0)
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])
    first = int(probe_event.routing_key[5:13], 16) * 100
    full_for = 20

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        nonlocal full_for
        full_for -= 1
        if full_for > 0:
            full = "do $$ begin raise exception 'full' using errcode = 'disk_full'; end $$"
            await fetch(session, full)
        await insert_effect(session, event)

    async with consuming(database, connection, subscriptions):
        await publish(connection, probe_event.routing_key, [message(first)])
        await eventually(lambda: _effects_are(effects, [first]))

    assert full_for <= 0
    assert await count_dead_letters(connection, subscriptions) == 0


async def test_unknown_fields_and_unknown_events_of_the_next_version_are_ignored(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])
    first = int(probe_event.routing_key[5:13], 16) * 100

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)

    newer = b'{"number": %d, "mood": "glad", "parts": [{"of": null}]}' % first
    unknown_key = probe_event.routing_key.replace(".v1", ".v2")
    async with consuming(database, connection, subscriptions):
        with suppress(DeliveryError):
            await publish(connection, unknown_key, [("test:1", b'{"quantity": 1}')])
        await publish(connection, probe_event.routing_key, [("test:2", newer)])
        await eventually(lambda: _effects_are(effects, [first]))

    assert await count_dead_letters(connection, subscriptions) == 0


async def test_queues_of_an_earlier_version_keep_their_messages_and_work(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
) -> None:
    service = probe_event.routing_key.partition(".")[0]
    subscriptions = Subscriptions(service)
    first = int(probe_event.routing_key[5:13], 16) * 100
    seen: list[int] = []

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        seen.append(event.number)
        if event.number == first + 2:
            raise Bug
        await insert_effect(session, event)

    (subscription,) = subscriptions
    before = {"x-queue-type": "quorum", "x-dead-letter-exchange": ""}
    async with connection.channel() as channel:
        old = await channel.declare_queue(subscription.queue, durable=True, arguments=before)
        retry = await channel.declare_queue(
            subscriptions.retry_exchange(0), durable=True, arguments={**before, "x-message-ttl": 0}
        )
        exchange = await broker.events_exchange(channel)
        await old.bind(exchange, probe_event.routing_key)
    await publish(connection, probe_event.routing_key, [message(first + 1)])

    async with consuming(database, connection, subscriptions):
        await publish(connection, probe_event.routing_key, [message(first + 2), message(first + 3)])

        async def all_is_settled() -> bool:
            done = await effects() == [first + 1, first + 3]
            return done and await count_dead_letters(connection, subscriptions) == 1

        await eventually(all_is_settled)
    assert seen.count(first + 2) >= 3
    assert await broker.legacy_queues(connection, subscriptions) == {old.name, retry.name}
