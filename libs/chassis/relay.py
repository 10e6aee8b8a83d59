"""The relay: publishes what the outbox holds, until every row is marked as published.

Several relays of one service may run at once: each locks the rows that it is publishing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import aio_pika
import asyncpg
import structlog
from aio_pika import Connection
from aio_pika.abc import AbstractExchange
from aio_pika.exceptions import (
    AMQPError,
    ChannelInvalidStateError,
    DeliveryError,
    PublishError,
)
from opentelemetry.trace import SpanKind
from sqlalchemy import text

from . import broker, failpoints, traces
from .app import end
from .database import Database
from .errors import report_job_error
from .events import EventId
from .loops import run_forever
from .telemetry import EVENTS_PUBLISHED, OCCURRED_AT, OUTBOX_OLDEST_SECONDS, OUTBOX_PENDING

BATCH = 200
POLL_SECONDS = 5
OPEN_SECONDS = 10
CONFIRM_SECONDS = 5
UNROUTABLE_SECONDS = 5
RECONNECT_SECONDS = 1
MEASURE_SECONDS = 5

_PENDING = """
select id, routing_key, payload, request_id, traceparent, occurred_at from outbox
where published_at is null and due_at <= now()
order by due_at, id limit $1 for update skip locked
"""
_MARK = "update outbox set published_at = now() where id = any($1::bigint[])"
_POSTPONE = "update outbox set due_at = now() + $2 * interval '1 s' where id = any($1::bigint[])"
_DEPTH = text("""
select count(*) as pending, coalesce(extract(epoch from now() - min(occurred_at)), 0) as age
from outbox where published_at is null
""")

log = structlog.get_logger()


class Relay:
    def __init__(self, database: Database, connect: Callable[[], Awaitable[Connection]]) -> None:
        """`connect` opens a connection of the relay's own: what the broker blocks, since it has no
        room, are connections that publish, and those that make room shall go on."""
        self._database = database
        self._connect = connect
        self._wake = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Lets the batch at hand end, then `run` returns."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Publishes until stopped; whatever goes away, it comes back to it."""
        measuring = asyncio.create_task(run_forever("relay.measure", self._measure_outbox))
        try:
            await self._publish_for_ever()
        finally:
            await end(measuring)

    async def _publish_for_ever(self) -> None:
        while not self._stopping:
            try:
                async with broker.reaching():
                    await self._publish_while_connected()
            except (AMQPError, ChannelInvalidStateError, broker.BrokerAway) as error:
                log.warning("relay.broker_away", error=repr(error))
            except Exception as error:
                # Nobody else would start it again: what it holds must go out all the same.
                report_job_error(error, unavailable="relay.database_away", failed="relay.failed")
            if not self._stopping:
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _publish_while_connected(self) -> None:
        async with AsyncExitStack() as stack:
            told = await self._connect()
            stack.push_async_callback(broker.leave, told)
            async with broker.reaching(OPEN_SECONDS):
                channel = await told.channel(publisher_confirms=True, on_return_raises=True)
                exchange = await broker.events_exchange(channel)
            connection = await self._database.connection()
            stack.callback(connection.terminate)
            await connection.add_listener(f"{self._database.service}_outbox", self._woken)
            try:
                await self._publish_as_it_comes(connection, exchange)
            except broker.BrokerAway:
                # A new connection would be as blocked as this one may be.
                await broker.unblocked(told)
                raise

    async def _publish_as_it_comes(
        self, connection: asyncpg.Connection, exchange: AbstractExchange
    ) -> None:
        while not self._stopping:
            self._wake.clear()
            if await self.publish_pending(connection, exchange) == BATCH:
                continue
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _woken(self, *_: object) -> None:
        self._wake.set()

    async def publish_pending(
        self, connection: asyncpg.Connection, exchange: AbstractExchange
    ) -> int:
        """Publishes one batch and gives its size. Only what the broker confirmed is marked.

        Raises what the broker's client raises when it is away; the rows stay pending.
        """
        async with connection.transaction():
            rows = await connection.fetch(_PENDING, BATCH)
            if not rows:
                return 0
            failpoints.reach("relay.taken")
            outcomes = await asyncio.gather(
                *(self._publish(exchange, row) for row in rows), return_exceptions=True
            )
            failpoints.reach("relay.published")
            failures = [
                (row, outcome)
                for row, outcome in zip(rows, outcomes, strict=True)
                if outcome is not None
            ]
            failed = {row["id"] for row, _ in failures}
            await connection.execute(_MARK, [row["id"] for row in rows if row["id"] not in failed])
            # No queue took these: they wait aside, so that the rest is not held up.
            unroutable = [row for row, outcome in failures if isinstance(outcome, DeliveryError)]
            if unroutable:
                ids = [row["id"] for row in unroutable]
                await connection.execute(_POSTPONE, ids, UNROUTABLE_SECONDS)
                keys = sorted({row["routing_key"] for row in unroutable})
                log.error("relay.unroutable", routing_keys=keys, events=len(ids))
        for _, outcome in failures:
            # A channel goes on asking a lost node of a cluster for what another one leads by now
            # (seen with RabbitMQ 3.10): what is refused is tried again on a new one.
            if not isinstance(outcome, PublishError):
                raise outcome
        return len(rows)

    async def _publish(self, exchange: AbstractExchange, row: asyncpg.Record) -> None:
        key: str = row["routing_key"]
        event_id = str(EventId(source=self._database.service, number=row["id"]))
        with traces.message(
            f"publish {key}", SpanKind.PRODUCER, row["traceparent"], event_id
        ) as traceparent:
            message = aio_pika.Message(
                row["payload"].encode(),
                message_id=event_id,
                type=key,
                content_type="application/json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                timestamp=row["occurred_at"],
                headers={
                    OCCURRED_AT: int(row["occurred_at"].timestamp() * 1000),
                    "request_id": row["request_id"],
                    "traceparent": traceparent or row["traceparent"],
                },
            )
            async with broker.reaching(CONFIRM_SECONDS):
                await exchange.publish(message, key, mandatory=True)
        EVENTS_PUBLISHED.labels(key).inc()

    async def _measure_outbox(self) -> None:
        """Runs apart from publishing, because the outbox grows while publishing waits for an
        absent broker."""
        while True:
            async with self._database.engine.connect() as connection:
                depth = (await connection.execute(_DEPTH)).one()
            OUTBOX_PENDING.set(depth.pending)
            OUTBOX_OLDEST_SECONDS.set(float(depth.age))
            await asyncio.sleep(MEASURE_SECONDS)
