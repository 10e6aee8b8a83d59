"""`python -m chassis rebuild services.feed`: rebuilds a projection from its producers' events.

    python -m chassis rebuild --begin services.feed
    { python -m chassis dump services.users && python -m chassis dump services.tweets; … } |
        python -m chassis rebuild services.feed

The projection that serves is read and written all the time; the rebuild works on a copy of its
tables (`shadow_schema`). It goes through five steps:

1. *Queue.* `--begin` creates the copy's tables, and a queue that receives every event published
   from now on. This happens before the dumps are taken, so each event is in a dump or in the queue.
2. *Dump.* The second command applies the dumps of all producers from standard input. Then it takes
   from the serving projection what no event can restore (`CarryOver`).
3. *Catch up.* It applies what the queue has received, until the copy has handled every event that
   the serving projection has handled. If events are missing nevertheless, it refuses to go on.
4. *Compare.* In one transaction, it keeps the worker from handling events, applies what the worker
   has handled meanwhile, carries over what changed, and compares the rows of the two copies.
5. *Swap.* The same transaction replaces the serving tables by the copy's. Reads wait for this step
   alone.

A rebuild that was stopped can be started again with both commands: the copy's inbox knows what was
applied, so the work continues. See docs/adr/0022.
"""

import asyncio
import importlib
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Any, BinaryIO, NamedTuple

import asyncpg
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from chassis.database import migrations
from chassis.database.session import Database
from chassis.http.errors import is_dependency_unavailable, is_timeout
from chassis.messaging import broker, message_format
from chassis.messaging.events import Event, EventId
from chassis.messaging.subscriptions import BulkHandler, load_subscriptions
from chassis.observability import error_reporting, logging
from chassis.projections.event_dump import StoredEvent, TruncatedDump
from chassis.projections.importer import BATCH, Importer, print_line
from chassis.projections.shadow_schema import (
    MAINTENANCE_TIMEOUT_SECONDS,
    MAX_LISTED_EVENTS,
    CarryOver,
    RebuildInProgress,
    ShadowSchema,
    ShadowSchemaMissing,
    shadow_schema_name,
)
from chassis.settings import ServiceSettings

QUEUE_EXPIRY_SECONDS = 3600
"""How long the queue outlives a rebuild that was stopped. After that, a new dump has all events."""
PREFETCH_COUNT = 10_000
CATCH_UP_TIMEOUT_SECONDS = 30
"""How long to wait for the next message before missing events count as lost."""
SERVING_TIMEOUT_SECONDS = 10
"""How long to wait until the serving projection has handled the events of the copy."""
CARRY_OVER_TIMEOUT_SECONDS = 5
"""For each statement while the worker is kept waiting."""
EXCLUSIVE_TIMEOUT_SECONDS = 3
"""How long the worker may be kept waiting for the queue."""
POLL_INTERVAL_SECONDS = 0.2
MAX_SWAP_ATTEMPTS = 10
MAX_TRANSACTION_AGE = timedelta(minutes=1)
"""Longer than any transaction of a worker. The inbox dates an event by the start of its
transaction, which may commit after a check: a look back by this much finds such events."""
MAX_PRINTED_REASONS = 10

_START_AGAIN = "Run both commands again: the rebuild continues where it stopped."


class RebuildRefused(Exception):
    """The rebuild cannot go on. The message says why; the serving projection is unchanged."""


class _QueuedEvent(NamedTuple):
    """An event that the rebuild's queue has delivered and that is not acknowledged yet."""

    message: AbstractIncomingMessage
    event: StoredEvent


class Rebuild:
    def __init__(self, package: str) -> None:
        self._package = package
        self._settings: ServiceSettings = importlib.import_module(f"{package}.settings").Settings()
        self._service = self._settings.service
        logging.configure(self._settings, "rebuild")
        error_reporting.configure(self._settings, "rebuild")
        self._subscriptions = load_subscriptions(package)
        self._queued: asyncio.Queue[_QueuedEvent] = asyncio.Queue()
        self._rebuild_handlers: Mapping[type[Event], BulkHandler] = {}
        self._carry_over = CarryOver()
        if find_spec(f"{package}.rebuild_handlers") is not None:
            module: Any = importlib.import_module(f"{package}.rebuild_handlers")
            self._rebuild_handlers = module.rebuild_handlers
            self._carry_over = getattr(module, "carry_over", self._carry_over)

    def begin(self) -> None:
        """Creates the copy's tables and the queue, or finds those of an earlier attempt.

        Raises RebuildRefused, ShadowSchemaMissing and RebuildInProgress.
        """
        if "outbox" in importlib.import_module(f"{self._package}.models").metadata.tables:
            raise RebuildRefused(
                f"{self._service} has data of its own, which events cannot restore."
            )
        if asyncio.run(self._prepare()):
            print_line(f"{self._service}: continuing with the copy of an earlier attempt")
            return
        migrations.upgrade(self._package, self._settings, shadow_schema_name(self._service))
        asyncio.run(self._mark_begun())

    async def _prepare(self) -> bool:
        """Declares the queue; returns whether the copy exists, and drops a copy of other code."""
        async with AsyncExitStack() as stack:
            copy = await self._lock_copy(stack)
            is_begun = await copy.is_begun(self._package)
            if not is_begun:
                await copy.clear()
            # From now on the queue receives events; the producers have stored the earlier ones.
            await self._declare_queue(await self._open_channel(stack))
            return is_begun

    async def _mark_begun(self) -> None:
        async with AsyncExitStack() as stack:
            await (await self._lock_copy(stack)).mark_begun(self._package)

    async def _lock_copy(self, stack: AsyncExitStack) -> ShadowSchema:
        connection = await Database(self._settings).connect()
        stack.callback(connection.terminate)
        copy = ShadowSchema(connection, self._service)
        await copy.lock()
        return copy

    async def _open_channel(self, stack: AsyncExitStack) -> AbstractChannel:
        # Not one that reconnects by itself: events published meanwhile could be missed.
        connection = await broker.connect_once(
            self._settings.broker_url.get_secret_value(), f"warble-{self._service}-rebuild"
        )
        await stack.enter_async_context(connection)
        return await connection.channel()

    async def _declare_queue(self, channel: AbstractChannel) -> AbstractQueue:
        queue = await channel.declare_queue(
            broker.rebuild_queue_name(self._service),
            durable=True,
            arguments={"x-queue-type": "quorum", "x-expires": QUEUE_EXPIRY_SECONDS * 1000},
        )
        exchange = await broker.events_exchange(channel)
        for subscription in self._subscriptions:
            await queue.bind(exchange, subscription.event.routing_key)
        return queue

    async def finish(self, dump: BinaryIO) -> None:
        """Fills the copy from the dump and the queue, and swaps it with the serving projection.

        Raises RebuildRefused and TruncatedDump, and what the database and the broker raise when
        they are unavailable.
        """
        async with AsyncExitStack() as stack:
            copy = await self._lock_copy(stack)
            if not await copy.is_begun(self._package):
                raise RebuildRefused(
                    "This version of the code has started no copy: run the command with --begin."
                )
            copy_database = Database(self._settings, copy.schema)
            stack.push_async_callback(copy_database.close)
            importer = Importer(copy_database, self._subscriptions, self._rebuild_handlers)
            channel = await self._open_channel(stack)
            await channel.set_qos(prefetch_count=PREFETCH_COUNT)
            queue = await self._declare_queue(channel)
            tag = await queue.consume(self._on_message)
            await self._import_dump(importer, dump)
            complete_at = await self._catch_up(copy, importer)
            if find_spec(f"{self._package}.privacy") is not None:
                # The dump holds older events of erased people, and the copy has applied them.
                privacy = importlib.import_module(f"{self._package}.privacy")
                await privacy.eraser.sweep_all(copy_database)
            await copy.carry_over(self._carry_over, timeout_seconds=MAINTENANCE_TIMEOUT_SECONDS)
            await copy.vacuum()
            await self._compare_and_swap(copy, importer, complete_at)
            await queue.cancel(tag)
            await queue.delete(if_unused=False, if_empty=False)
        print_line(f"{self._service}: the rebuilt copy now serves")

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        try:
            events = [
                StoredEvent(
                    EventId.parse(event.event_id),
                    message.routing_key or "",
                    event.payload,
                    event.occurred_at,
                )
                for event in message_format.decode(message)
            ]
        except ValueError:
            # The worker receives the same message, and moves what is malformed to the dead letters.
            await message.ack()
            return
        for event in events:
            self._queued.put_nowait(_QueuedEvent(message, event))

    async def _import_dump(self, importer: Importer, dump: BinaryIO) -> None:
        async for _ in importer.run(dump):
            if self._queued.qsize() >= BATCH:
                await self._apply_queued(importer)

    async def _apply_queued(self, importer: Importer) -> bool:
        """Applies what the queue has delivered so far; returns false if that is nothing."""
        queued = [self._queued.get_nowait() for _ in range(self._queued.qsize())]
        await importer.apply([each.event for each in queued])
        if queued:
            last = max(queued, key=lambda each: each.message.delivery_tag or 0)
            await last.message.ack(multiple=True)
        return bool(queued)

    async def _catch_up(self, copy: ShadowSchema, importer: Importer) -> datetime:
        """Applies queued events until no event is missing. Returns a time before which the copy had
        all events of the serving projection. Raises RebuildRefused."""
        deadline = time.monotonic() + CATCH_UP_TIMEOUT_SECONDS
        while True:
            if await self._apply_queued(importer):
                deadline = time.monotonic() + CATCH_UP_TIMEOUT_SECONDS
            checked_at = await copy.now()
            missing = await copy.missing_events()
            if not missing:
                return checked_at
            if time.monotonic() > deadline:
                raise RebuildRefused(_missing_events_message(missing, importer))
            await asyncio.sleep(POLL_INTERVAL_SECONDS)

    async def _compare_and_swap(
        self, copy: ShadowSchema, importer: Importer, complete_at: datetime
    ) -> None:
        """Swaps the copies once the new one has every event of the old one. Raises
        RebuildRefused."""
        for _ in range(MAX_SWAP_ATTEMPTS):
            is_comparable = await self._wait_until_serving_caught_up(copy)
            try:
                async with copy.exclusive():
                    await self._apply_missing(copy, importer, complete_at - MAX_TRANSACTION_AGE)
                    kept_tables = self._carry_over.kept_tables
                    await copy.lock_tables(kept_tables)
                    await copy.carry_over(
                        self._carry_over, timeout_seconds=CARRY_OVER_TIMEOUT_SECONDS
                    )
                    differences = await copy.differences(kept_tables) if is_comparable else None
                    await copy.swap()
            except (asyncpg.LockNotAvailableError, _QueueBehind) as error:
                print_line(f"{self._service}: the swap failed and is tried again ({error})")
                await self._apply_queued(importer)
                continue
            self._print_differences(differences)
            return
        raise RebuildRefused(
            "The tables were too busy for the swap. Run both commands again at a quieter time."
        )

    def _print_differences(self, differences: dict[str, int] | None) -> None:
        if differences is None:
            print_line(f"{self._service}: the old and the new copy were not compared")
            return
        for table, rows in differences.items():
            print_line(f"{self._service}: {table}: {rows} rows were in only one of the copies")
        if not differences:
            print_line(f"{self._service}: the old and the new copy had the same rows")

    async def _wait_until_serving_caught_up(self, copy: ShadowSchema) -> bool:
        """Waits until the serving projection has handled all events of the copy. Returns false if
        it has not in time: an event among its dead letters keeps it behind."""
        deadline = time.monotonic() + SERVING_TIMEOUT_SECONDS
        while await copy.extra_events():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
        return True

    async def _apply_missing(self, copy: ShadowSchema, importer: Importer, since: datetime) -> None:
        """Applies the events that the serving projection has handled since then, and no others.

        Called within `exclusive`, so no further ones are added. Raises _QueueBehind if the queue
        does not deliver them in time, and RebuildRefused if one of them fails.
        """
        missing = await copy.missing_events(since)
        not_delivered, delivered = set(missing), []
        try:
            async with asyncio.timeout(EXCLUSIVE_TIMEOUT_SECONDS):
                while not_delivered:
                    delivered.append(await self._queued.get())
                    not_delivered.discard(delivered[-1].event.event_id)
        except TimeoutError as error:
            raise _QueueBehind(f"{len(not_delivered)} events are on their way") from error
        finally:
            # Back into the queue, where `_apply_queued` acknowledges them if the swap fails. Events
            # that are applied below have no effect a second time.
            for each in delivered:
                self._queued.put_nowait(each)
        await importer.apply([each.event for each in delivered if each.event.event_id in missing])
        if failed := missing & importer.failed.keys():
            raise RebuildRefused(_missing_events_message(failed, importer))


class _QueueBehind(Exception):
    """The queue has not delivered all events that the serving projection has handled."""


def _missing_events_message(missing: set[EventId], importer: Importer) -> str:
    count = f"{len(missing)}{' or more' if len(missing) >= MAX_LISTED_EVENTS else ''}"
    sentence = (
        f"The copy lacks {count} events that the serving projection has handled, "
        "so the projection stays as it is. "
    )
    reasons = [f"  {each}: {importer.failed[each]}" for each in missing & {*importer.failed}]
    if reasons:
        lines = ["The handlers failed on some of them:", *sorted(reasons)[:MAX_PRINTED_REASONS]]
        return sentence + "\n".join(lines)
    return sentence + "Their producers no longer store them: see <SERVICE>_EVENT_RETENTION_DAYS."


def main(package: str, *, begin: bool) -> int:
    """Returns the exit code."""
    rebuild = Rebuild(package)
    try:
        if begin:
            rebuild.begin()
        else:
            asyncio.run(rebuild.finish(sys.stdin.buffer))
    except RebuildRefused as refusal:
        print(refusal, file=sys.stderr)
    except ShadowSchemaMissing as error:
        print(
            f"The schema {error} is missing: run deploy/postgres/bootstrap.sql again.",
            file=sys.stderr,
        )
    except RebuildInProgress as error:
        print(f"Another rebuild is working on the schema {error}.", file=sys.stderr)
    except TruncatedDump as error:
        print(f"The dump of {error} is incomplete. {_START_AGAIN}", file=sys.stderr)
    except (AMQPError, ChannelInvalidStateError, broker.BrokerUnavailable) as error:
        print(f"The broker is unavailable: {error!r}. {_START_AGAIN}", file=sys.stderr)
    except Exception as error:
        if not (is_dependency_unavailable(error) or is_timeout(error)):
            raise
        reason = "took too long" if is_timeout(error) else "is unavailable"
        print(f"The database {reason}: {error!r}. {_START_AGAIN}", file=sys.stderr)
    else:
        return 0
    return 1
