"""`python -m chassis.rebuild services.feed`: a projection made anew of what the producers kept.

    python -m chassis.rebuild --begin services.feed
    { python -m chassis.kept services.users && python -m chassis.kept services.tweets; } |
        python -m chassis.rebuild services.feed

The first makes the copy's tables, and a queue that takes what is published from now on. The second
fills the copy, from the pipe and then from that queue, and has it take the place of the projection
that served meanwhile. Whatever is stopped is started again from the first on, and goes on: what the
copy has is passed over. See docs/adr/0022.
"""

import asyncio
import importlib
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Any, BinaryIO

import asyncpg
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from . import broker, database, telemetry
from .database import Database
from .errors import is_dependency_unavailable, is_timeout
from .events import Event, EventId
from .fresh import LISTED, Fresh, NoPlace, Taken, schema_of
from .intake import BATCH, Intake, Together, say
from .kept import CutShort, Kept
from .settings import ServiceSettings
from .subscriptions import Subscriptions, subscriptions_of

EXPIRES_SECONDS = 3600
"""How long the queue waits for a rebuild that was stopped. Later the pipe has it all."""
PREFETCH = 10_000
PATIENCE_SECONDS = 30
LEVEL_SECONDS = 10
ALONE_SECONDS = 3
POLL_SECONDS = 0.2
TRIES = 10
IN_DOUBT = timedelta(minutes=1)
"""No transaction lasts as long: what was not seen before so long a look back began after it."""
REASONS = 10


class Refused(Exception):
    """The rebuild cannot go on; the sentence says why, and the serving projection is as it was."""


class Rebuild:
    def __init__(self, package: str) -> None:
        self._package = package
        self._settings: ServiceSettings = importlib.import_module(f"{package}.settings").Settings()
        self._service = self._settings.service
        telemetry.configure(self._settings, "rebuild")
        # One that reacts to nothing has facts of its own, and is refused.
        self._subscriptions = subscriptions_of(package) or Subscriptions(self._service)
        self._live: asyncio.Queue[tuple[AbstractIncomingMessage, Kept]] = asyncio.Queue()

    def _together(self) -> Mapping[type[Event], Together] | None:
        if find_spec(f"{self._package}.history") is None:
            return None
        history: Any = importlib.import_module(f"{self._package}.history")
        together: Mapping[type[Event], Together] = history.together
        return together

    def begin(self) -> None:
        """Makes the copy, or finds the one that is begun. Raises Refused."""
        if "outbox" in importlib.import_module(f"{self._package}.models").metadata.tables:
            raise Refused(f"{self._service} has facts of its own, which no event brings back.")
        if asyncio.run(self._found()):
            say(f"{self._service}: going on with the copy that was begun")
            return
        database.upgrade(self._package, self._settings, schema_of(self._service))
        asyncio.run(self._mark())

    async def _found(self) -> bool:
        async with AsyncExitStack() as stack:
            fresh = await self._fresh(stack)
            begun = await fresh.begun(self._package)
            if not begun:
                await fresh.clear()
            # From now on it takes what is published; what was before, the producers have kept.
            await self._declare(await self._channel(stack))
            return begun

    async def _mark(self) -> None:
        async with AsyncExitStack() as stack:
            await (await self._fresh(stack)).mark(self._package)

    async def _fresh(self, stack: AsyncExitStack) -> Fresh:
        connection = await Database(self._settings).connection()
        stack.callback(connection.terminate)
        fresh = Fresh(connection, self._service)
        await fresh.hold()
        return fresh

    async def _channel(self, stack: AsyncExitStack) -> AbstractChannel:
        # One that does not come back by itself: what was published meanwhile could be missed.
        connection = await broker.connect_once(
            self._settings.broker_url.get_secret_value(), f"warble-{self._service}-rebuild"
        )
        await stack.enter_async_context(connection)
        return await connection.channel()

    async def _declare(self, channel: AbstractChannel) -> AbstractQueue:
        queue = await channel.declare_queue(
            broker.rebuild_queue(self._service),
            durable=True,
            arguments={"x-queue-type": "quorum", "x-expires": EXPIRES_SECONDS * 1000},
        )
        exchange = await broker.events_exchange(channel)
        for subscription in self._subscriptions:
            await queue.bind(exchange, subscription.event.routing_key)
        return queue

    async def finish(self, told: BinaryIO) -> None:
        """Fills the copy and has it serve.

        Raises Refused, CutShort, and what the database or the broker raises when it is away.
        """
        async with AsyncExitStack() as stack:
            fresh = await self._fresh(stack)
            if not await fresh.begun(self._package):
                raise Refused("No copy of this version of the code is begun: run --begin first.")
            copy = Database(self._settings, fresh.schema)
            stack.push_async_callback(copy.close)
            intake = Intake(copy, self._subscriptions, self._together())
            channel = await self._channel(stack)
            await channel.set_qos(prefetch_count=PREFETCH)
            queue = await self._declare(channel)
            tag = await queue.consume(self._receive)
            await self._fill(intake, told)
            complete_at = await self._catch_up(fresh, intake)
            if find_spec(f"{self._package}.erasing") is not None:
                # What came before the word of somebody's erasure has come to the copy once more.
                await importlib.import_module(f"{self._package}.erasing").eraser.take_away(copy)
            await fresh.tidy()
            await self._switch(fresh, intake, complete_at)
            await queue.cancel(tag)
            await queue.delete(if_unused=False, if_empty=False)
        say(f"{self._service}: the copy serves")

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        try:
            event_id = EventId.parse(message.message_id or "")
        except ValueError:
            # The worker buries it and says so.
            await message.ack()
            return
        self._live.put_nowait((message, Kept(event_id, message.routing_key or "", message.body)))

    async def _fill(self, intake: Intake, told: BinaryIO) -> None:
        async for _ in intake.pour(told):
            if self._live.qsize() >= BATCH:
                await self._take_live(intake)

    async def _take_live(self, intake: Intake) -> bool:
        """Takes what the queue has brought by now; false if that is nothing."""
        brought = [self._live.get_nowait() for _ in range(self._live.qsize())]
        await intake.take([kept for _, kept in brought])
        if brought:
            last, _ = max(brought, key=lambda pair: pair[0].delivery_tag or 0)
            await last.ack(multiple=True)
        return bool(brought)

    async def _catch_up(self, fresh: Fresh, intake: Intake) -> datetime:
        """The moment at which the copy had all that the serving projection had. Raises Refused."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while True:
            if await self._take_live(intake):
                patience = time.monotonic() + PATIENCE_SECONDS
            moment = await fresh.now()
            lacking = await fresh.lacking()
            if not lacking:
                return moment
            if time.monotonic() > patience:
                raise Refused(_why_lacking(lacking, intake))
            await asyncio.sleep(POLL_SECONDS)

    async def _switch(self, fresh: Fresh, intake: Intake, complete_at: datetime) -> None:
        """Has the copy serve, with exactly the events that the serving one has. Raises Refused."""
        for _ in range(TRIES):
            level = await self._level(fresh)
            try:
                async with fresh.alone():
                    await self._close_the_gap(fresh, intake, complete_at - IN_DOUBT)
                    found = await fresh.differences() if level else None
                    await fresh.take_over()
            except (asyncpg.LockNotAvailableError, _Behind) as error:
                say(f"{self._service}: trying again to change places ({error})")
                await self._take_live(intake)
                continue
            if found is None:
                say(f"{self._service}: the two were not compared")
            for table, rows in (found or {}).items():
                say(f"{self._service}: {rows} rows of {table} were in one of the two alone")
            if found == {}:
                say(f"{self._service}: the two were the same in every row")
            return
        raise Refused(
            "The tables were too busy to change places: start again, in a quieter moment."
        )

    async def _level(self, fresh: Fresh) -> bool:
        """Waits for the serving one to have what the copy has; it may never, for a dead letter."""
        patience = time.monotonic() + LEVEL_SECONDS
        while await fresh.ahead():
            if time.monotonic() > patience:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def _close_the_gap(self, fresh: Fresh, intake: Intake, since: datetime) -> None:
        """Takes what the serving one has taken meanwhile, and no more. Raises _Behind, Refused."""
        lacking = await fresh.lacking(since)
        awaited, brought = set(lacking), []
        try:
            async with asyncio.timeout(ALONE_SECONDS):
                while awaited:
                    brought.append(await self._live.get())
                    awaited.discard(brought[-1][1].event_id)
        except TimeoutError as error:
            raise _Behind(f"{len(awaited)} events are on their way") from error
        finally:
            # Each comes to its turn in any case, and what was taken before has no effect then.
            for pair in brought:
                self._live.put_nowait(pair)
        await intake.take([kept for _, kept in brought if kept.event_id in lacking])
        if failed := lacking & intake.failed.keys():
            raise Refused(_why_lacking(failed, intake))


class _Behind(Exception):
    """The queue has not brought what the serving projection has."""


def _why_lacking(lacking: set[EventId], intake: Intake) -> str:
    count = f"{len(lacking)}{' or more' if len(lacking) >= LISTED else ''}"
    sentence = f"The copy lacks {count} events that the projection has, which goes on serving. "
    failed = [f"  {event_id}: {intake.failed[event_id]}" for event_id in lacking & {*intake.failed}]
    if failed:
        return sentence + "\n".join(["It failed on some:", *sorted(failed)[:REASONS]])
    return sentence + "Their producers keep them no more: see <SERVICE>_EVENT_RETENTION_DAYS."


def main(arguments: list[str]) -> int:
    beginning = "--begin" in arguments
    packages = [argument for argument in arguments if argument != "--begin"]
    if len(packages) != 1:
        print("usage: python -m chassis.rebuild [--begin] services.<name>", file=sys.stderr)
        return 2
    rebuild = Rebuild(packages[0])
    try:
        if beginning:
            rebuild.begin()
        else:
            asyncio.run(rebuild.finish(sys.stdin.buffer))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
    except NoPlace as error:
        print(f"No schema {error}: run deploy/postgres/bootstrap.sql once more.", file=sys.stderr)
    except Taken as error:
        print(f"Another rebuild is at work on {error}.", file=sys.stderr)
    except CutShort as error:
        print(f"Not all events of {error} came. Start again: it goes on.", file=sys.stderr)
    except (AMQPError, ChannelInvalidStateError, broker.BrokerAway) as error:
        print(f"The broker is unavailable: {error!r}. Start again: it goes on.", file=sys.stderr)
    except Exception as error:
        if not (is_dependency_unavailable(error) or is_timeout(error)):
            raise
        reason = "took too long" if is_timeout(error) else "is unavailable"
        print(f"The database {reason}: {error!r}. Start again: it goes on.", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
