"""Each message takes effect once; one that fails does not stop its neighbours."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection, AbstractRobustConnection
from aio_pika.exceptions import DeliveryError
from aiormq.abc import FieldValue

from chassis.database.session import AnySession, Database, fetch
from chassis.messaging import broker, message_format
from chassis.messaging.consumer import Consumer, replay
from chassis.messaging.message_format import TransportedEvent
from chassis.messaging.subscriptions import Subscription, Subscriptions
from chassis.observability.event_metrics import OCCURRED_AT_HEADER
from tests.waiting import eventually

from .conftest import ProbeEvent


class Bug(Exception):
    """What a handler raises."""


@pytest.fixture(autouse=True)
def no_retry_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed messages come back at once: with the real delays, the tests would take minutes."""
    for module in ("retries", "consumer", "broker"):
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
) -> AsyncIterator[Consumer]:
    consumer = Consumer(database, connection, subscriptions)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


class Probe:
    """A consumer of one kind of event, whose handler inserts the event's number as its effect."""

    def __init__(
        self,
        database: Database,
        connection: AbstractRobustConnection,
        event: type[ProbeEvent],
        effects: Callable[[], Awaitable[list[int]]],
    ) -> None:
        self._database, self.connection = database, connection
        self.event, self.effects = event, effects
        self.subscriptions = Subscriptions(event.routing_key.partition(".")[0])
        self.first = int(event.routing_key[5:13], 16) * 100
        """The numbers of the test's events begin here: other tests have other numbers."""

    @property
    def subscription(self) -> Subscription:
        (subscription,) = self.subscriptions
        return subscription

    def messages(self, count: int) -> list[tuple[str, bytes]]:
        return [message(self.first + number) for number in range(count)]

    async def publish(
        self,
        messages: list[tuple[str, bytes]],
        headers: dict[str, FieldValue] | None = None,
        key: str = "",
    ) -> None:
        await publish(self.connection, key or self.event.routing_key, messages, headers)

    def consuming(self) -> AbstractAsyncContextManager[Consumer]:
        return consuming(self._database, self.connection, self.subscriptions)

    async def wait_for_effects(self, *numbers: int) -> None:
        """`numbers` count from `first`."""
        expected = [self.first + number for number in numbers]

        async def effects_are_expected() -> bool:
            return await self.effects() == expected

        await eventually(effects_are_expected)

    async def message_count(self, queue: str) -> int:
        async with self.connection.channel() as channel:
            return (await channel.get_queue(queue)).declaration_result.message_count or 0

    async def dead_letter_count(self) -> int:
        return await self.message_count(self.subscription.dead_queue)

    async def wait_for_dead_letters(self, count: int) -> None:
        async def count_is_expected() -> bool:
            return await self.dead_letter_count() == count

        await eventually(count_is_expected)


@pytest.fixture
def probe(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
) -> Probe:
    return Probe(database, connection, probe_event, effects)


async def test_a_message_that_is_delivered_many_times_takes_effect_once(probe: Probe) -> None:

    @probe.subscriptions.on(probe.event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)

    async with probe.consuming():
        await probe.publish([message(probe.first + number % 20) for number in range(100)])
        await probe.wait_for_effects(*range(20))

    assert await probe.dead_letter_count() == 0


async def test_a_batch_is_handled_in_bulk_and_one_by_one_when_that_fails(probe: Probe) -> None:
    bulks: list[int] = []
    alone: list[int] = []

    @probe.subscriptions.on_many(probe.event)
    async def insert_effects(session: AnySession, events: Sequence[tuple[ProbeEvent, int]]) -> None:
        numbers = [event.number for event, _ in events]
        if len(events) > 1:
            bulks.append(len(events))
        else:
            alone.extend(numbers)
        for event, _ in events:
            await insert_effect(session, event)
        if len(events) > 1 and probe.first + 25 in numbers:
            raise Bug("twenty-five is not handled in bulk")

    sent = [message(probe.first + number % 30) for number in range(60)]
    async with probe.consuming():
        pass
    await probe.publish(sent)
    async with probe.consuming():
        await probe.wait_for_effects(*range(30))

    assert max(bulks) > 1
    assert probe.first + 25 in alone
    assert await probe.dead_letter_count() == 0


async def test_a_handler_knows_when_the_event_occurred(probe: Probe) -> None:
    times: list[datetime] = []

    @probe.subscriptions.on(probe.event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        times.append(event.occurred_at)

    async with probe.consuming():
        message_id, body = message(probe.first)
        headers: dict[str, FieldValue] = {OCCURRED_AT_HEADER: 1_767_225_600_123}
        await probe.publish([(message_id, body)], headers)
        await eventually(lambda: _is_nonempty(times))

    assert times == [datetime(2026, 1, 1, microsecond=123_000, tzinfo=UTC)]


async def _is_nonempty(values: list[datetime]) -> bool:
    return bool(values)


async def test_a_poison_message_is_dead_lettered_with_its_reason_and_its_neighbours_are_handled(
    probe: Probe,
) -> None:
    fixed = False

    @probe.subscriptions.on(probe.event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)
        if event.number == probe.first + 5 and not fixed:
            raise Bug("five is not handled")

    unparsable = [("", b"{}"), ("test:x", b"{}"), ("test:1", b"\xff"), ("test:1", b"[]")]
    async with probe.consuming():
        await probe.publish([*unparsable, *probe.messages(10)])
        await probe.wait_for_effects(0, 1, 2, 3, 4, 6, 7, 8, 9)
        await probe.wait_for_dead_letters(len(unparsable) + 1)

        async with probe.connection.channel() as channel:
            dead = await channel.get_queue(probe.subscription.dead_queue)
            reasons = set()
            for _ in range(len(unparsable) + 1):
                letter = await dead.get()
                assert letter is not None
                reasons.add(str(letter.headers["warble-error"]).partition(":")[0])
                await letter.reject(requeue=True)
            assert {"Bug", "ValueError"} <= reasons

            fixed = True
            assert await replay(channel, probe.subscriptions) == len(unparsable) + 1
        await probe.wait_for_effects(*range(10))
        await probe.wait_for_dead_letters(len(unparsable))


async def test_each_event_of_a_message_is_settled_by_itself(probe: Probe) -> None:
    fixed = False
    failed: set[int] = set()

    @probe.subscriptions.on(probe.event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)
        number = event.number - probe.first
        if (number == 5 and not fixed) or (number == 7 and number not in failed):
            failed.add(number)
            raise Bug("five is not handled, and seven not at once")

    key = probe.event.routing_key
    several = [
        TransportedEvent(message_id, key, body, 1_767_225_600_123)
        for message_id, body in [*probe.messages(10), ("test:x", b"{}"), ("test:1", b"[]")]
    ]
    malformed = message_format.encode(several)
    malformed.body = b"{}"
    async with probe.consuming():
        async with broker.open_channel(probe.connection) as channel:
            exchange = await broker.events_exchange(channel)
            for sent in (message_format.encode(several), message_format.encode(several), malformed):
                await exchange.publish(sent, key)
        await probe.wait_for_effects(0, 1, 2, 3, 4, 6, 7, 8, 9)
        # Each of the three that cannot be handled was delivered twice.
        await probe.wait_for_dead_letters(7)

        fixed = True
        async with probe.connection.channel() as channel:
            await replay(channel, probe.subscriptions)
        await probe.wait_for_effects(*range(10))
        await probe.wait_for_dead_letters(5)


@pytest.mark.parametrize("way", ["driver", "cursor"])
async def test_a_value_that_the_driver_refuses_is_poison_and_not_an_outage(
    probe: Probe, way: str
) -> None:

    @probe.subscriptions.on(probe.event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        if way == "driver":
            await fetch(session, "insert into effect values ($1::bigint)", event.number)
        else:
            await insert_effect(session, event)

    async with probe.consuming():
        await probe.publish([message(2**70, probe.first), message(probe.first + 1)])
        await probe.wait_for_effects(1)
        await probe.wait_for_dead_letters(1)


async def test_a_message_that_fails_once_is_retried_and_takes_effect_once(probe: Probe) -> None:
    failed: set[int] = set()

    @probe.subscriptions.on(probe.event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)
        if event.number not in failed:
            failed.add(event.number)
            raise Bug

    async with probe.consuming():
        await probe.publish(probe.messages(20))
        await probe.wait_for_effects(*range(20))

    assert await probe.dead_letter_count() == 0


async def test_an_irrelevant_event_is_acknowledged_and_not_handled(probe: Probe) -> None:

    @probe.subscriptions.on(probe.event, when=lambda event: event.number % 2 == 0)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)

    async with probe.consuming():
        await probe.publish(probe.messages(10))
        await probe.wait_for_effects(*range(0, 10, 2))

    assert await probe.message_count(probe.subscription.queue) == 0


async def test_the_consumer_waits_for_a_database_without_disk_space_and_counts_no_attempt(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.messaging.consumer.DATABASE_RETRY_SECONDS", 0)
    full_for = 20

    @probe.subscriptions.on(probe.event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        nonlocal full_for
        full_for -= 1
        if full_for > 0:
            full = "do $$ begin raise exception 'full' using errcode = 'disk_full'; end $$"
            await fetch(session, full)
        await insert_effect(session, event)

    async with probe.consuming():
        await probe.publish([message(probe.first)])
        await probe.wait_for_effects(0)

    assert full_for <= 0
    assert await probe.dead_letter_count() == 0


async def test_unknown_fields_and_unknown_events_of_the_next_version_are_ignored(
    probe: Probe,
) -> None:

    @probe.subscriptions.on(probe.event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)

    newer = b'{"number": %d, "mood": "glad", "parts": [{"of": null}]}' % probe.first
    unknown_key = probe.event.routing_key.replace(".v1", ".v2")
    async with probe.consuming():
        with suppress(DeliveryError):
            await probe.publish([("test:1", b'{"quantity": 1}')], key=unknown_key)
        await probe.publish([("test:2", newer)])
        await probe.wait_for_effects(0)

    assert await probe.dead_letter_count() == 0


async def test_queues_of_an_earlier_version_keep_their_messages_and_work(probe: Probe) -> None:
    seen: list[int] = []

    @probe.subscriptions.on(probe.event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        seen.append(event.number)
        if event.number == probe.first + 2:
            raise Bug
        await insert_effect(session, event)

    before = {"x-queue-type": "quorum", "x-dead-letter-exchange": ""}
    async with probe.connection.channel() as channel:
        old = await channel.declare_queue(probe.subscription.queue, durable=True, arguments=before)
        retry = await channel.declare_queue(
            probe.subscriptions.retry_exchange(0),
            durable=True,
            arguments={**before, "x-message-ttl": 0},
        )
        exchange = await broker.events_exchange(channel)
        await old.bind(exchange, probe.event.routing_key)
    await probe.publish([message(probe.first + 1)])

    async with probe.consuming():
        await probe.publish([message(probe.first + 2), message(probe.first + 3)])

        async def all_is_settled() -> bool:
            done = await probe.effects() == [probe.first + 1, probe.first + 3]
            return done and await probe.dead_letter_count() == 1

        await eventually(all_is_settled)
    assert seen.count(probe.first + 2) >= 3
    legacy = await broker.legacy_queues(probe.connection, probe.subscriptions)
    assert legacy == {old.name, retry.name}
