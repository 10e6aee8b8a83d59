"""The relay: publishes the rows of the outbox, and marks each as published once it is confirmed.

One transaction publishes one batch. It selects rows that are not marked, with `for update skip
locked`, so that several relays of one service may run at once, and marks them in the same
statement. It publishes all of them, several in a message (`message_format`), waits for the broker's
confirms, removes the marks of rows that were not confirmed, and commits. If the process dies in
between, no row is marked and all are published again: consumers drop the second copy by their
inbox.
Selecting "ids greater than the last one" instead would lose events, because ids commit out of
order.

The process that stored an event notifies the relay after the commit (`database.relay_wakeup`), or a
trigger on the outbox does, so that an event leaves within milliseconds. A poll every five seconds
covers a notification that was lost with its connection or its process.
Messages are published as `mandatory`: an event that no queue takes comes back as an error, stays
pending and is tried again later, while the events behind it go out. When the broker or the database
fails, the relay closes both connections and starts again with new ones. See docs/adr/0003.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from operator import itemgetter

import asyncpg
import structlog
from aio_pika import Connection
from aio_pika.exceptions import (
    AMQPError,
    ChannelInvalidStateError,
    DeliveryError,
    PublishError,
)
from opentelemetry.trace import SpanKind

from chassis import failpoints
from chassis.database.session import Database
from chassis.http.errors import report_job_error
from chassis.messaging import broker, message_format
from chassis.messaging.events import EXCHANGE, EventId, to_milliseconds
from chassis.messaging.message_format import TransportedEvent
from chassis.messaging.publisher import Message, Publisher
from chassis.observability import tracing
from chassis.observability.event_metrics import (
    EVENTS_PUBLISHED,
    OUTBOX_OLDEST_SECONDS,
    OUTBOX_PENDING,
)

BATCH = 200
"""Events of one transaction at most. The transaction stays open until all are confirmed."""
GATHER_SECONDS = 0.01
"""How long the relay waits after a batch, so that the next one has several events. After a full
batch it does not wait."""
POLL_INTERVAL_SECONDS = 5
OPEN_TIMEOUT_SECONDS = 10
"""For opening a channel and declaring the exchange."""
UNROUTABLE_DELAY_SECONDS = 5
"""How long an event that no queue took waits for its next attempt."""
RECONNECT_DELAY_SECONDS = 1
MEASURE_INTERVAL_SECONDS = 5

# Finds the rows again by `ctid`, their place in the table, so that no plan reads the whole table.
_MARK_PENDING = """
update outbox set published_at = now()
where ctid = any(array(
    select ctid from outbox where published_at is null and due_at <= now()
    order by due_at, id limit $1 for update skip locked
))
returning id, routing_key, payload, request_id, traceparent, occurred_at
"""
_UNMARK = "update outbox set published_at = null where id = any($1::bigint[])"
_POSTPONE = "update outbox set due_at = now() + $2 * interval '1 s' where id = any($1::bigint[])"
_DEPTH = """
select count(*) as pending, coalesce(extract(epoch from now() - min(occurred_at)), 0) as age
from outbox where published_at is null
"""

log = structlog.get_logger()


class Relay:
    def __init__(
        self,
        database: Database,
        connect: Callable[[], Awaitable[Connection]],
        *,
        events_per_message: int,
    ) -> None:
        """`connect` opens a connection to the broker for the relay alone.

        A broker that runs out of memory or disk blocks connections that publish. The consumer must
        go on meanwhile, because consuming frees the broker's space.
        """
        self._events_per_message = events_per_message
        self._database = database
        self._connect = connect
        self._notified = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Lets `run` finish the current batch and return."""
        self._stopping = True
        self._notified.set()

    async def run(self) -> None:
        """Publishes until `stop`. Reconnects after any failure, so it raises nothing."""
        while not self._stopping:
            try:
                async with broker.deadline():
                    await self._publish_while_connected()
            except (AMQPError, ChannelInvalidStateError, broker.BrokerUnavailable) as error:
                log.warning("relay.broker_unavailable", error=repr(error))
            except Exception as error:
                # Nothing else restarts the relay, and the pending events have to be published.
                report_job_error(
                    error, unavailable="relay.database_unavailable", failed="relay.failed"
                )
            if not self._stopping:
                await asyncio.sleep(RECONNECT_DELAY_SECONDS)

    async def _publish_while_connected(self) -> None:
        """Returns when the relay is stopped; raises when either connection fails."""
        async with AsyncExitStack() as stack:
            broker_connection = await self._connect()
            stack.push_async_callback(broker.close_quietly, broker_connection)
            async with broker.deadline(OPEN_TIMEOUT_SECONDS):
                channel = await broker_connection.channel(
                    publisher_confirms=True, on_return_raises=True
                )
                await broker.events_exchange(channel)
                publisher = Publisher(await channel.get_underlay_channel(), EXCHANGE)
            connection = await self._database.connect()
            stack.callback(connection.terminate)
            await connection.add_listener(f"{self._database.service}_outbox", self._on_notify)
            try:
                await self._publish_when_notified(connection, publisher)
            except broker.BrokerUnavailable:
                # The broker may block this connection, and would block a new one as well.
                await broker.wait_until_unblocked(broker_connection)
                raise

    async def _publish_when_notified(
        self, connection: asyncpg.Connection, publisher: Publisher
    ) -> None:
        while not self._stopping:
            self._notified.clear()
            if await self.publish_pending(connection, publisher) == BATCH:
                continue
            await asyncio.sleep(GATHER_SECONDS)
            try:
                async with asyncio.timeout(POLL_INTERVAL_SECONDS):
                    await self._notified.wait()
            except TimeoutError:
                continue

    def _on_notify(self, *_: object) -> None:
        self._notified.set()

    async def publish_pending(self, connection: asyncpg.Connection, publisher: Publisher) -> int:
        """Publishes one batch, whose events are marked once the broker has confirmed them, and
        returns the size of the batch.

        Raises AMQPError, ChannelInvalidStateError or BrokerUnavailable when the broker fails.
        Events that are not confirmed stay pending.
        """
        async with connection.transaction():
            rows = await connection.fetch(_MARK_PENDING, BATCH)
            if not rows:
                return 0
            rows.sort(key=itemgetter("id"))
            failpoints.reach("relay.selected")
            with ExitStack() as spans:
                events = [
                    self._transported(row, spans.enter_context(self._span(row))) for row in rows
                ]
                groups = message_format.divide(events, self._events_per_message)
                outcomes = await publisher.publish([_message(group) for group in groups])
            failpoints.reach("relay.published")
            failures = []
            for group, outcome in zip(groups, outcomes, strict=True):
                if outcome is None:
                    EVENTS_PUBLISHED.labels(group[0].routing_key).inc(len(group))
                else:
                    failures.append((group, outcome))
            if failures:
                unpublished = [group for group, _ in failures]
                await connection.execute(_UNMARK, _numbers(unpublished))
            # The broker returned these, because no queue is bound to their routing key, or rejected
            # them, because a queue is full. They are postponed, so that they do not fill each
            # batch.
            unroutable = [group for group, error in failures if isinstance(error, DeliveryError)]
            if unroutable:
                numbers = _numbers(unroutable)
                await connection.execute(_POSTPONE, numbers, UNROUTABLE_DELAY_SECONDS)
                keys = sorted({group[0].routing_key for group in unroutable})
                log.error("relay.unroutable", routing_keys=keys, events=len(numbers))
        for _, outcome in failures:
            # PublishError means that the broker returned the event: the channel works. Anything
            # else, a rejection included, needs a new channel: after a cluster has lost a node, an
            # old channel still asks that node for a queue that another one leads by now (seen with
            # RabbitMQ 3.10), and rejects.
            if not isinstance(outcome, PublishError):
                raise outcome
        return len(rows)

    def _event_id(self, row: asyncpg.Record) -> str:
        return str(EventId(source=self._database.service, number=row["id"]))

    def _span(self, row: asyncpg.Record) -> AbstractContextManager[str | None]:
        """A span in the event's own trace: a batch holds events of several traces."""
        name = f"publish {row['routing_key']}"
        return tracing.message_span(
            name, SpanKind.PRODUCER, row["traceparent"], self._event_id(row)
        )

    def _transported(self, row: asyncpg.Record, traceparent: str | None) -> TransportedEvent:
        return TransportedEvent(
            self._event_id(row),
            row["routing_key"],
            row["payload"].encode(),
            to_milliseconds(row["occurred_at"]),
            row["request_id"],
            traceparent or row["traceparent"],
        )

    async def measure_outbox(self) -> None:
        """Sets the gauges of the outbox until it is cancelled.

        The worker runs it as a task of its own, because the outbox grows while `run` waits for the
        broker.
        """
        while True:
            (depth,) = await self._database.fetch(_DEPTH)
            OUTBOX_PENDING.set(depth["pending"])
            OUTBOX_OLDEST_SECONDS.set(float(depth["age"]))
            await asyncio.sleep(MEASURE_INTERVAL_SECONDS)


def _message(events: Sequence[TransportedEvent]) -> Message:
    message = message_format.encode(events)
    return Message(events[0].routing_key, message.properties, message.body)


def _numbers(groups: Iterable[Sequence[TransportedEvent]]) -> list[int]:
    return [EventId.parse(event.event_id).number for group in groups for event in group]
