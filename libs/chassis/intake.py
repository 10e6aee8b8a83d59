"""Takes events that were kept into a service's tables: those that its inbox does not know.

Many in one transaction, one transaction at a time. One that fails is left out and told of.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from . import inbox
from .database import Database, DatabaseUnavailable
from .events import Event, EventId
from .kept import Kept, heard
from .subscriptions import Subscription, Subscriptions

BATCH = 500
TELL_SECONDS = 5

log = structlog.get_logger()

_Readable = tuple[EventId, Subscription, Event]

Together = Callable[[AsyncSession, Sequence[tuple[Any, int]]], Awaitable[None]]
"""Takes the transaction, and many events with their versions: what their handlers do, at once."""


class Intake:
    """`taken` counts the events that had an effect, `failed` has the reasons of those left out."""

    def __init__(
        self,
        database: Database,
        subscriptions: Subscriptions,
        together: Mapping[type[Event], Together] | None = None,
    ) -> None:
        """`together` is for tables that nobody else writes to: it may hold many rows at once."""
        self._database = database
        self._subscriptions = {each.event.routing_key: each for each in subscriptions}
        self._sources = subscriptions.sources
        self._together = together or {}
        self.taken = 0
        self.failed: dict[EventId, str] = {}

    async def pour(self, told: BinaryIO) -> AsyncIterator[None]:
        """Takes all that producers tell, and stops after each batch; says how far it is.

        Raises CutShort, and what `take` raises.
        """
        progress = Progress(self._database.service)
        events = heard(told, self._sources)
        while batch := await asyncio.to_thread(lambda: list(islice(events, BATCH))):
            kept = [event for event in batch if isinstance(event, Kept)]
            progress.expect(sum(begun[1] for begun in batch if isinstance(begun, tuple)))
            await self.take(kept)
            progress.passed(len(kept))
            yield
        progress.tell()

    async def take(self, events: Sequence[Kept]) -> None:
        """Raises DatabaseUnavailable; the same events can be given again.

        A batch that fails otherwise is applied event by event, and an event that fails is left out.
        """
        readable = [found for event in events if (found := self._read(event)) is not None]
        if readable:
            await self._apply(readable)

    def _read(self, kept: Kept) -> _Readable | None:
        subscription = self._subscriptions.get(kept.routing_key)
        if subscription is None:
            return None
        try:
            event = subscription.event.model_validate_json(kept.payload)
        except ValueError as error:
            self._leave_out(kept.event_id, error)
            return None
        return (kept.event_id, subscription, event) if subscription.concerns(event) else None

    async def _apply(self, events: Sequence[_Readable]) -> None:
        try:
            async with self._database.transaction() as session:
                by_id = {
                    event_id: (subscription, event) for event_id, subscription, event in events
                }
                new = await inbox.admit(session, by_id)
                await self._handle(session, {each: by_id[each] for each in by_id if each in new})
        except Exception as error:
            # Without the database every event would be left out, one after the other.
            if await self._database.is_unavailable(error):
                raise DatabaseUnavailable(repr(error)) from error
            if len(events) == 1:
                self._leave_out(events[0][0], error)
                return
            for one in events:
                await self._apply([one])
            return
        self.taken += len(new)
        for event_id in new:
            self.failed.pop(event_id, None)

    async def _handle(
        self, session: AsyncSession, events: Mapping[EventId, tuple[Subscription, Event]]
    ) -> None:
        gathered: dict[Together, list[tuple[Event, int]]] = defaultdict(list)
        for event_id, (subscription, event) in events.items():
            if together := self._together.get(type(event)):
                gathered[together].append((event, event_id.number))
            else:
                await subscription.handler(session, event, event_id.number)
        for together, told in gathered.items():
            await together(session, told)

    def _leave_out(self, event_id: EventId, error: Exception) -> None:
        self.failed[event_id] = f"{type(error).__name__}: {error}"[:500]
        log.error("intake.left_out", event_id=str(event_id), exc_info=error)


class Progress:
    """A line now and then: how many of how many, and how fast."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._total = self._passed = 0
        self._begun = self._told = time.monotonic()

    def expect(self, events: int) -> None:
        self._total += events

    def passed(self, events: int) -> None:
        self._passed += events
        if time.monotonic() - self._told > TELL_SECONDS:
            self.tell()

    def tell(self) -> None:
        self._told = time.monotonic()
        rate = self._passed / max(self._told - self._begun, 0.001)
        say(f"{self._service}: {self._passed:,} of {self._total:,} events, {rate:,.0f} a second")


def say(line: str) -> None:
    print(line, flush=True)
