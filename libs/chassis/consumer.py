"""The consumer: brings each message to its handler, once, and says what became of it.

A message is acknowledged after its transaction has committed. One that fails is tried again with
a growing delay, then buried among the dead letters with the reason; its neighbours go on.
"""

import asyncio
import time
from functools import partial

import aio_pika
import structlog
from aio_pika.abc import (
    AbstractChannel,
    AbstractIncomingMessage,
    AbstractQueue,
    AbstractRobustConnection,
)
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from . import broker
from .database import Database
from .errors import neighbour_away
from .events import Event, EventId
from .subscriptions import RETRY_DELAYS, Subscription, Subscriptions
from .telemetry import (
    EVENT_AGE_SECONDS,
    EVENTS_DEAD_LETTERED,
    EVENTS_HANDLED,
    EVENTS_RETRIED,
    OCCURRED_AT,
    message_context,
)

PREFETCH = 8
HANDLER_SECONDS = 20
DATABASE_AWAY_SECONDS = 1
ATTEMPT_HEADER = "warble-attempt"
ERROR_HEADER = "warble-error"

log = structlog.get_logger()


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
        self._consuming: list[tuple[AbstractQueue, str]] = []
        self._in_hand = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        self._channel = await self._connection.channel(on_return_raises=True)
        await self._channel.set_qos(prefetch_count=PREFETCH)
        await broker.declare(self._channel, self._subscriptions)
        for subscription in self._subscriptions:
            queue = await self._channel.get_queue(subscription.queue)
            tag = await queue.consume(partial(self._receive, subscription))
            self._consuming.append((queue, tag))

    async def stop(self) -> None:
        """Takes no more messages and waits for those in hand."""
        for queue, tag in self._consuming:
            try:
                await queue.cancel(tag)
            except (AMQPError, ChannelInvalidStateError) as error:
                log.info("consumer.cancel_failed", error=repr(error))
        await self._idle.wait()
        if self._channel is not None:
            await self._channel.close()

    async def _receive(self, subscription: Subscription, message: AbstractIncomingMessage) -> None:
        self._in_hand += 1
        self._idle.clear()
        try:
            with message_context(message):
                await self._settle(subscription, message)
        except (AMQPError, ChannelInvalidStateError) as error:
            # The broker gives it out again; the inbox knows it then.
            log.warning("consumer.not_settled", error=repr(error))
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._idle.set()

    async def _settle(self, subscription: Subscription, message: AbstractIncomingMessage) -> None:
        try:
            event_id = EventId.parse(message.message_id or "")
            event = subscription.event.model_validate_json(message.body)
        except ValueError as error:
            await self._bury(subscription, message, error)
            return
        try:
            await self.handle(subscription, event_id, event)
        except Exception as error:
            attempt = _attempt(message)
            if attempt > len(RETRY_DELAYS):
                await self._bury(subscription, message, error)
            else:
                await self._retry(subscription, message, attempt, error)
            return
        await message.ack()
        log.info("event.handled")
        key = subscription.event.routing_key
        EVENTS_HANDLED.labels(key).inc()
        occurred_at = message.headers.get(OCCURRED_AT)
        if isinstance(occurred_at, int):
            EVENT_AGE_SECONDS.labels(key).observe(max(0.0, time.time() - occurred_at / 1000))

    async def handle(self, subscription: Subscription, event_id: EventId, event: Event) -> None:
        """Runs the handler in a transaction with the inbox row; waits while the database is away.

        Raises what the handler raises.
        """
        while True:
            try:
                async with (
                    asyncio.timeout(HANDLER_SECONDS),
                    self._database.transaction() as session,
                ):
                    await subscription.apply(session, event_id, event)
                return
            except Exception as error:
                # An outage is not the message's fault and does not count as an attempt; a handler
                # that ran out of time while the database answers is.
                timed_out = isinstance(error, TimeoutError) and await self._database_answers()
                if timed_out or not neighbour_away(error):
                    raise
                log.warning("consumer.database_away", error=repr(error))
            await asyncio.sleep(DATABASE_AWAY_SECONDS)

    async def _database_answers(self) -> bool:
        try:
            await self._database.check()
        except Exception as error:
            if not neighbour_away(error):
                raise
            return False
        return True

    async def _retry(
        self,
        subscription: Subscription,
        message: AbstractIncomingMessage,
        attempt: int,
        error: Exception,
    ) -> None:
        delay = RETRY_DELAYS[attempt - 1]
        log.warning("consumer.retried", attempt=attempt, delay=delay, exc_info=error)
        assert self._channel is not None
        exchange = await self._channel.get_exchange(self._subscriptions.retry_exchange(delay))
        await exchange.publish(_again(message, attempt + 1, error), subscription.queue)
        await message.ack()
        EVENTS_RETRIED.labels(subscription.event.routing_key).inc()

    async def _bury(
        self, subscription: Subscription, message: AbstractIncomingMessage, error: Exception
    ) -> None:
        log.error("consumer.dead_lettered", exc_info=error)
        assert self._channel is not None
        await self._channel.default_exchange.publish(
            _again(message, 1, error), subscription.dead_queue
        )
        await message.ack()
        EVENTS_DEAD_LETTERED.labels(subscription.event.routing_key).inc()


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
    for subscription in subscriptions:
        dead = await channel.get_queue(subscription.dead_queue)
        # Bounded by what lies there now: one that dies again at once is not moved twice.
        for _ in range(dead.declaration_result.message_count or 0):
            message = await dead.get(fail=False)
            if message is None:
                break
            await channel.default_exchange.publish(_again(message, 1), subscription.queue)
            await message.ack()
            moved += 1
    return moved
