"""The consumer: brings each message to its handler, once, and says what became of it.

What has come in meanwhile is handled in one transaction: the higher the load, the cheaper each
message. A message is acknowledged after its transaction has committed. When a batch fails, each of
its messages is handled on its own; one that fails again is tried again with a growing delay, then
buried among the dead letters with the reason. Its neighbours go on.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial

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

from . import access_log, broker, failpoints, inbox, reports, traces
from .database import Database
from .events import Event, EventId
from .subscriptions import RETRY_DELAYS, Subscription, Subscriptions
from .telemetry import (
    EVENT_AGE_SECONDS,
    EVENTS_DEAD_LETTERED,
    EVENTS_HANDLED,
    EVENTS_RETRIED,
    OCCURRED_AT,
    message_context,
    named,
)

BATCH = 50
HANDLER_SECONDS = 20
DATABASE_AWAY_SECONDS = 1
PUBLISH_SECONDS = 20
"""For a message to come again, or to be buried. A broker without room takes neither."""
REFUSED_SECONDS = 1
ATTEMPT_HEADER = "warble-attempt"
ERROR_HEADER = "warble-error"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that is an event of ours."""

    subscription: Subscription
    message: AbstractIncomingMessage
    event_id: EventId
    event: Event


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
        self._own: AbstractExchange | None = None
        self._consuming: list[tuple[AbstractQueue, str]] = []
        self._arrived: asyncio.Queue[Arrived | None] = asyncio.Queue()
        self._handling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._channel = await self._connection.channel(on_return_raises=True)
        await self._channel.set_qos(prefetch_count=BATCH)
        old = await broker.of_before(self._connection, self._subscriptions)
        await broker.declare(self._channel, self._subscriptions, old)
        self._own = await broker.own_exchange(self._channel, self._subscriptions.service)
        self._handling = asyncio.create_task(self._handle_batches())
        for subscription in self._subscriptions:
            queue = await self._channel.get_queue(subscription.queue)
            tag = await queue.consume(partial(self._receive, subscription))
            self._consuming.append((queue, tag))

    async def stop(self) -> None:
        """Takes no more messages and ends the batch in hand; the rest is given out again."""
        for queue, tag in self._consuming:
            try:
                await queue.cancel(tag)
            except (AMQPError, ChannelInvalidStateError) as error:
                log.info("consumer.cancel_failed", error=repr(error))
        if self._handling is not None:
            while not self._arrived.empty():
                self._arrived.get_nowait()
            self._arrived.put_nowait(None)
            await self._handling
        if self._channel is not None:
            await self._channel.close()

    async def _receive(self, subscription: Subscription, message: AbstractIncomingMessage) -> None:
        try:
            event_id = EventId.parse(message.message_id or "")
            event = subscription.event.model_validate_json(message.body)
        except ValueError as error:
            with message_context(message):
                try:
                    await self._bury(subscription, message, error)
                except (AMQPError, ChannelInvalidStateError, broker.BrokerAway) as lost:
                    log.warning("consumer.not_settled", error=repr(lost))
                    await asyncio.sleep(REFUSED_SECONDS)
                    await _give_back(message)
        else:
            arrived = Arrived(subscription, message, event_id, event)
            if subscription.concerns(event):
                self._arrived.put_nowait(arrived)
            else:
                await self._pass_over(arrived)

    async def _pass_over(self, arrived: Arrived) -> None:
        try:
            await arrived.message.ack()
        except (AMQPError, ChannelInvalidStateError) as lost:
            log.warning("consumer.not_settled", error=repr(lost))
        else:
            self._note_handled(arrived)

    async def _handle_batches(self) -> None:
        while (first := await self._arrived.get()) is not None:
            batch = [first]
            while len(batch) < BATCH and not self._arrived.empty():
                following = self._arrived.get_nowait()
                if following is None:
                    self._arrived.put_nowait(None)
                    break
                batch.append(following)
            try:
                async with broker.reaching():
                    await self._settle(batch)
            except Exception as error:
                # They come again, and the inbox knows those that were handled.
                log.error("consumer.not_settled", exc_info=error)
                for arrived in batch:
                    await _give_back(arrived.message)

    async def _settle(self, batch: Sequence[Arrived]) -> None:
        try:
            await self.handle(batch)
        except Exception as error:
            if len(batch) > 1:
                log.warning("consumer.batch_split", events=len(batch), error=repr(error))
                for arrived in batch:
                    await self._settle([arrived])
                return
            (arrived,) = batch
            with message_context(arrived.message):
                await self._failed(arrived, error)
            return
        failpoints.reach("consumer.committed")
        for arrived in batch:
            await arrived.message.ack()
            self._note_handled(arrived)

    async def handle(self, batch: Sequence[Arrived]) -> None:
        """Runs the handlers and writes the inbox in one transaction; waits for an absent database.

        Raises what a handler raises; nothing has happened then.
        """
        while True:
            try:
                async with (
                    asyncio.timeout(HANDLER_SECONDS),
                    self._database.transaction() as session,
                ):
                    new = await inbox.admit(session, (arrived.event_id for arrived in batch))
                    for arrived in batch:
                        if arrived.event_id not in new:
                            continue
                        # It may stand in the batch twice.
                        new.remove(arrived.event_id)
                        with message_context(arrived.message), _span(arrived):
                            await arrived.subscription.handler(
                                session, arrived.event, arrived.event_id.number
                            )
                return
            except Exception as error:
                # An outage does not count as an attempt, since the message is not its cause. A
                # handler that ran out of time while the database answers does count.
                if not await self._database.is_unavailable(error):
                    raise
                log.warning("consumer.database_away", error=repr(error))
            await asyncio.sleep(DATABASE_AWAY_SECONDS)

    def _note_handled(self, arrived: Arrived) -> None:
        key = arrived.event.routing_key
        EVENTS_HANDLED.labels(key).inc()
        occurred_at = arrived.message.headers.get(OCCURRED_AT)
        if isinstance(occurred_at, int):
            EVENT_AGE_SECONDS.labels(key).observe(max(0.0, time.time() - occurred_at / 1000))
        access_log.write("event.handled", named(arrived.message))

    async def _failed(self, arrived: Arrived, error: Exception) -> None:
        attempt = _attempt(arrived.message)
        if attempt > len(RETRY_DELAYS):
            await self._bury(arrived.subscription, arrived.message, error)
            return
        delay = RETRY_DELAYS[attempt - 1]
        log.warning("consumer.retried", attempt=attempt, delay=delay, exc_info=error)
        assert self._channel is not None
        async with broker.reaching(PUBLISH_SECONDS):
            exchange = await self._channel.get_exchange(self._subscriptions.retry_exchange(delay))
            await exchange.publish(
                _again(arrived.message, attempt + 1, error), arrived.subscription.queue
            )
        await arrived.message.ack()
        EVENTS_RETRIED.labels(arrived.event.routing_key).inc()

    async def _bury(
        self, subscription: Subscription, message: AbstractIncomingMessage, error: Exception
    ) -> None:
        log.error("consumer.dead_lettered", exc_info=error)
        reports.send(error)
        assert self._own is not None
        async with broker.reaching(PUBLISH_SECONDS):
            await self._own.publish(_again(message, 1, error), subscription.dead_queue)
        await message.ack()
        EVENTS_DEAD_LETTERED.labels(subscription.event.routing_key).inc()


def _span(arrived: Arrived) -> AbstractContextManager[str | None]:
    """The batch is one transaction, but each of its events belongs to a trace of its own."""
    return traces.message(
        f"process {arrived.subscription.queue}",
        SpanKind.CONSUMER,
        arrived.message.headers.get("traceparent"),
        str(arrived.event_id),
    )


async def _give_back(message: AbstractIncomingMessage) -> None:
    """The broker gives it out again, here or elsewhere."""
    if message.processed:
        return
    with suppress(AMQPError, ChannelInvalidStateError):
        # Where the connection is gone, the broker has it back already.
        await message.reject(requeue=True)


def _attempt(message: AbstractIncomingMessage) -> int:
    value = message.headers.get(ATTEMPT_HEADER, 1)
    return value if isinstance(value, int) else 1


def _again(
    message: AbstractIncomingMessage, attempt: int, error: Exception | None = None
) -> aio_pika.Message:
    kept = (OCCURRED_AT, "request_id", "traceparent")
    headers = {name: message.headers.get(name) for name in kept} | {ATTEMPT_HEADER: attempt}
    if error is not None:
        headers[ERROR_HEADER] = f"{type(error).__name__}: {error}"[:500]
    return aio_pika.Message(
        message.body,
        message_id=message.message_id,
        type=message.type,
        content_type=message.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers=headers,
    )


async def replay(channel: AbstractChannel, subscriptions: Subscriptions) -> int:
    """Moves every dead letter of the service's back to its queue; gives how many there were."""
    moved = 0
    exchange = await broker.own_exchange(channel, subscriptions.service)
    for subscription in subscriptions:
        dead = await channel.get_queue(subscription.dead_queue)
        # Bounded by what lies there now: one that dies again at once is not moved twice.
        for _ in range(dead.declaration_result.message_count or 0):
            message = await dead.get(fail=False)
            if message is None:
                break
            await exchange.publish(_again(message, 1), subscription.queue)
            await message.ack()
            moved += 1
    return moved
