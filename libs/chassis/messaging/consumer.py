"""The consumer: passes each event to its handler, and acknowledges its message.

An event is settled in one of three ways: its transaction has committed, it was published again to a
retry queue, or it was published to the dead letters. A message is acknowledged when all of its
events are settled.

*Batches.* The consumer handles the events of all messages that have arrived meanwhile, up to about
BATCH, in one transaction: the more load, the less each event costs. The transaction inserts the ids
into the inbox, which says which events are new, and runs the handlers of those. Events that share a
bulk handler are handled together, in the statements of one. Messages are handled and settled in the
order of their delivery, so one frame acknowledges the whole batch.
*Split.* When a batch fails, its transaction rolls back and each of its events is handled in a
transaction of its own, so that one bad event does not stop its neighbours.
*Retry ladder.* An event that fails alone goes to the retry queue of the next delay (RETRY_DELAYS),
with the number of the attempt in a header of ours: RabbitMQ does not count a requeue.
*Dead letters.* After the last attempt the event goes to `<queue>.dead` with the reason in a header,
and `replay` moves it back when the bug is fixed. An event that cannot be parsed goes there at once.

An outage of the database is not the event's fault: the consumer waits for the database and does not
count an attempt. If the broker fails before a message is acknowledged, the broker delivers it
again, and the inbox recognises the events that were handled. See docs/adr/0003.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import aio_pika
import structlog
from aio_pika.abc import (
    AbstractChannel,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
    AbstractRobustConnection,
)
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError
from opentelemetry.trace import SpanKind

from chassis import failpoints
from chassis.database.session import AnySession, Database
from chassis.messaging import broker, inbox, message_format
from chassis.messaging.events import Event, EventId
from chassis.messaging.message_format import TransportedEvent
from chassis.messaging.retries import RETRY_DELAYS
from chassis.messaging.subscriptions import Subscription, Subscriptions
from chassis.observability import access_log, error_reporting, tracing
from chassis.observability.event_metrics import (
    EVENT_DELIVERY_SECONDS,
    EVENTS_DEAD_LETTERED,
    EVENTS_HANDLED,
    EVENTS_RETRIED,
    OCCURRED_AT_HEADER,
)

BATCH = 50
GATHER_SECONDS = 0.01
"""How long the consumer waits after a batch, so that the next one has several events. After a
full batch it does not wait."""
HANDLER_TIMEOUT_SECONDS = 20
"""For the transaction of one batch."""
DATABASE_RETRY_SECONDS = 1
PUBLISH_TIMEOUT_SECONDS = 20
"""For publishing to a retry queue or to the dead letters: a broker that is out of memory or disk
does not confirm."""
REQUEUE_DELAY_SECONDS = 1
RECONNECT_TIMEOUT_SECONDS = 60

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that was delivered, parsed as one of the subscription's class."""

    subscription: Subscription
    transported: TransportedEvent
    event_id: EventId
    event: Event

    @property
    def is_relevant(self) -> bool:
        return self.subscription.is_relevant(self.event)


class Received(NamedTuple):
    subscription: Subscription
    message: AbstractIncomingMessage
    events: Sequence[TransportedEvent]


class Consumer:
    def __init__(
        self,
        database: Database,
        connection: AbstractRobustConnection,
        subscriptions: Subscriptions,
    ) -> None:
        self._database = database
        self._connection = connection
        self._subscriptions = subscriptions
        self._channel: AbstractChannel | None = None
        self._service_exchange: AbstractExchange | None = None
        self._consumer_tags: list[tuple[AbstractQueue, str]] = []
        self._received: asyncio.Queue[Received | None] = asyncio.Queue()
        """In the order of delivery. None tells the handling task to end."""
        self._handling: asyncio.Task[None] | None = None
        self._arrived = 0
        """How many messages have arrived; likewise `_done`, those that were handled."""
        self._done = 0
        self._last_inspection: tuple[int, frozenset[str]] = 0, frozenset()
        """What had arrived at the last call of `reconnect_if_stalled`, and the queues that had
        messages."""

    async def start(self) -> None:
        """Declares the queues and begins to consume. Raises what aio_pika raises."""
        self._channel = await self._connection.channel(on_return_raises=True)
        await self._channel.set_qos(prefetch_count=BATCH)
        legacy = await broker.legacy_queues(self._connection, self._subscriptions)
        await broker.declare_queues(self._channel, self._subscriptions, legacy)
        self._service_exchange = await broker.service_exchange(
            self._channel, self._subscriptions.service
        )
        self._handling = asyncio.create_task(self._handle_batches())
        for subscription in self._subscriptions:
            queue = await self._channel.get_queue(subscription.queue)
            tag = await queue.consume(partial(self._receive, subscription))
            self._consumer_tags.append((queue, tag))

    async def stop(self) -> None:
        """Finishes the current batch. The broker delivers the remaining messages again."""
        for queue, tag in self._consumer_tags:
            try:
                await queue.cancel(tag)
            except (AMQPError, ChannelInvalidStateError) as error:
                log.info("consumer.cancel_failed", error=repr(error))
        if self._handling is not None:
            while not self._received.empty():
                self._received.get_nowait()
            self._received.put_nowait(None)
            await self._handling
        if self._channel is not None:
            await self._channel.close()

    async def reconnect_if_stalled(self, waiting: Mapping[str, int]) -> None:
        """Connects again if the broker keeps messages back from this idle consumer.

        `waiting` is the number of messages in each queue. The consumer is stalled if a queue had
        some at two calls in a row and none has arrived in between. RabbitMQ 4 does that, seldom,
        after a queue was deleted and declared again: it counts messages as delivered that it has
        not sent, because the channel has consumed from the old queue.
        """
        arrived, filled = self._arrived, frozenset(name for name, count in waiting.items() if count)
        arrived_before, filled_before = self._last_inspection
        self._last_inspection = arrived, filled
        if arrived == arrived_before == self._done and filled & filled_before:
            log.warning("consumer.stalled", queues=sorted(filled & filled_before))
            async with broker.deadline(RECONNECT_TIMEOUT_SECONDS):
                await self._connection.reconnect()

    async def _receive(self, subscription: Subscription, message: AbstractIncomingMessage) -> None:
        # Parsing a malformed event fails, and moves it to the dead letters.
        events = message_format.decode_leniently(message)
        self._arrived += 1
        self._received.put_nowait(Received(subscription, message, events))

    async def _handle_batches(self) -> None:
        while (first := await self._received.get()) is not None:
            batch = [first]
            size = len(first.events)
            while size < BATCH and not self._received.empty():
                received = self._received.get_nowait()
                if received is None:
                    self._received.put_nowait(None)
                    break
                batch.append(received)
                size += len(received.events)
            try:
                async with broker.deadline():
                    await self._settle(batch)
            except Exception as error:
                # The broker delivers them again; the inbox recognises those that were handled.
                log.error("consumer.not_settled", exc_info=error)
                for received in batch:
                    await _requeue(received.message)
            self._done += len(batch)
            if size < BATCH:
                await asyncio.sleep(GATHER_SECONDS)

    async def _settle(self, batch: Sequence[Received]) -> None:
        """Settles all events of these messages, and acknowledges the messages."""
        deliveries = []
        for received in batch:
            for event in received.events:
                try:
                    deliveries.append(parse(received.subscription, event))
                except ValueError as error:
                    await self._dead_letter_or_requeue(received, event, error)
        await self._handle_or_split(deliveries)
        await _acknowledge([received.message for received in batch])

    async def _handle_or_split(self, deliveries: Sequence[Delivery]) -> None:
        """Handles the events together; one by one if that fails. One that fails alone is published
        to a retry queue or the dead letters."""
        try:
            await self.handle([each for each in deliveries if each.is_relevant])
        except Exception as error:
            if len(deliveries) > 1:
                log.warning("consumer.batch_split", events=len(deliveries), error=repr(error))
                for delivery in deliveries:
                    await self._handle_or_split([delivery])
                return
            (delivery,) = deliveries
            with delivery.transported.logged():
                await self._retry_or_dead_letter(delivery, error)
            return
        failpoints.reach("consumer.committed")
        for delivery in deliveries:
            self._record_handled(delivery)

    async def _dead_letter_or_requeue(
        self, received: Received, event: TransportedEvent, error: ValueError
    ) -> None:
        try:
            with event.logged():
                await self._dead_letter(received.subscription, event, error)
        except (AMQPError, ChannelInvalidStateError, broker.BrokerUnavailable) as broker_error:
            log.warning("consumer.not_settled", error=repr(broker_error))
            await asyncio.sleep(REQUEUE_DELAY_SECONDS)
            await _requeue(received.message)

    async def handle(self, batch: Sequence[Delivery]) -> None:
        """Inserts the ids into the inbox and runs the handlers, in one transaction.

        Waits while the database is unavailable. Raises what a handler raises; the transaction is
        rolled back then.
        """
        while batch:
            try:
                async with (
                    asyncio.timeout(HANDLER_TIMEOUT_SECONDS),
                    self._database.direct_transaction() as session,
                ):
                    new = await inbox.insert_new(session, (each.event_id for each in batch))
                    # By id, because a batch may hold two deliveries of one event.
                    by_id = {each.event_id: each for each in batch if each.event_id in new}
                    for group in _groups(by_id.values()):
                        await _handle_group(session, group)
                return
            except Exception as error:
                # An outage does not count as an attempt, since the message is not its cause. A
                # handler that ran out of time while the database answers does count.
                if not await self._database.is_unavailable(error):
                    raise
                log.warning("consumer.database_unavailable", error=repr(error))
            await asyncio.sleep(DATABASE_RETRY_SECONDS)

    def _record_handled(self, delivery: Delivery) -> None:
        """Writes metrics and a log line."""
        key = delivery.event.routing_key
        EVENTS_HANDLED.labels(key).inc()
        age = time.time() - delivery.transported.occurred_at.timestamp()
        EVENT_DELIVERY_SECONDS.labels(key).observe(max(0.0, age))
        access_log.write("event.handled", delivery.transported.log_fields())

    async def _retry_or_dead_letter(self, delivery: Delivery, error: Exception) -> None:
        attempt = delivery.transported.attempt
        if attempt > len(RETRY_DELAYS):
            await self._dead_letter(delivery.subscription, delivery.transported, error)
            return
        delay = RETRY_DELAYS[attempt - 1]
        log.warning("consumer.retried", attempt=attempt, delay=delay, exc_info=error)
        assert self._channel is not None
        async with broker.deadline(PUBLISH_TIMEOUT_SECONDS):
            exchange = await self._channel.get_exchange(self._subscriptions.retry_exchange(delay))
            next_attempt = replace(delivery.transported, attempt=attempt + 1)
            await exchange.publish(
                message_format.encode([next_attempt], error), delivery.subscription.queue
            )
        EVENTS_RETRIED.labels(delivery.event.routing_key).inc()

    async def _dead_letter(
        self, subscription: Subscription, event: TransportedEvent, error: Exception
    ) -> None:
        log.error("consumer.dead_lettered", exc_info=error)
        error_reporting.report(error)
        assert self._service_exchange is not None
        async with broker.deadline(PUBLISH_TIMEOUT_SECONDS):
            first_attempt = replace(event, attempt=1)
            await self._service_exchange.publish(
                message_format.encode([first_attempt], error), subscription.dead_queue
            )
        EVENTS_DEAD_LETTERED.labels(subscription.event.routing_key).inc()


def parse(subscription: Subscription, transported: TransportedEvent) -> Delivery:
    """Raises ValueError if the event is not one of the subscription's class."""
    event_id = EventId.parse(transported.event_id)
    event = subscription.event.model_validate_json(transported.payload)
    event.received(transported.occurred_at)
    return Delivery(subscription, transported, event_id, event)


def _groups(deliveries: Iterable[Delivery]) -> Iterable[Sequence[Delivery]]:
    """Those with the same bulk handler are a group, and each of the others is one alone."""
    groups: dict[object, list[Delivery]] = {}
    for delivery in deliveries:
        key = delivery.subscription.bulk_handler or delivery.event_id
        groups.setdefault(key, []).append(delivery)
    return groups.values()


async def _handle_group(session: AnySession, group: Sequence[Delivery]) -> None:
    first, *others = group
    if not others:
        with first.transported.logged(), _span(first):
            await first.subscription.handler(session, first.event, first.event_id.number)
        return
    assert first.subscription.bulk_handler is not None
    with ExitStack() as spans:
        for delivery in group:
            spans.enter_context(_span(delivery))
        await first.subscription.bulk_handler(
            session, [(each.event, each.event_id.number) for each in group]
        )


def _span(delivery: Delivery) -> AbstractContextManager[str | None]:
    """A span in the event's own trace: a batch holds events of several traces."""
    return tracing.message_span(
        f"process {delivery.subscription.queue}",
        SpanKind.CONSUMER,
        delivery.transported.traceparent,
        str(delivery.event_id),
    )


async def _acknowledge(messages: Sequence[AbstractIncomingMessage]) -> None:
    """Acknowledges the messages that are not acknowledged or rejected yet, by one frame.

    The frame acknowledges every earlier message of the channel too. All events of these are
    settled, because messages are handled in the order of their delivery.
    """
    unacknowledged = [message for message in messages if not message.processed]
    if unacknowledged:
        await unacknowledged[-1].ack(multiple=True)


async def _requeue(message: AbstractIncomingMessage) -> None:
    """Rejects a message that is not acknowledged yet, so that the broker delivers it again."""
    if message.processed:
        return
    with suppress(AMQPError, ChannelInvalidStateError, broker.BrokerUnavailable):
        # If the connection is lost, the broker has requeued the message already.
        async with broker.deadline():
            await message.reject(requeue=True)


def _copy(message: AbstractIncomingMessage) -> aio_pika.Message:
    """The message to publish again, as that of a first attempt."""
    copied = (OCCURRED_AT_HEADER, "request_id", "traceparent")
    return aio_pika.Message(
        message.body,
        message_id=message.message_id,
        type=message.type,
        content_type=message.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers={name: message.headers.get(name) for name in copied},
    )


async def replay(channel: AbstractChannel, subscriptions: Subscriptions) -> int:
    """Moves all dead letters of the service back to their queues; returns how many."""
    moved = 0
    exchange = await broker.service_exchange(channel, subscriptions.service)
    for subscription in subscriptions:
        dead = await channel.get_queue(subscription.dead_queue)
        # Limited to the messages that are there now, because one may fail and return meanwhile.
        for _ in range(dead.declaration_result.message_count or 0):
            message = await dead.get(fail=False)
            if message is None:
                break
            await exchange.publish(_copy(message), subscription.queue)
            await message.ack()
            moved += 1
    return moved
