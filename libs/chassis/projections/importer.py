"""Applies stored events to a service's tables: those that the service's inbox lacks.

An import handles a batch of events in one transaction, one transaction at a time. If a batch fails,
each of its events is applied on its own, and an event that fails alone is skipped and listed with
the reason. An import can be repeated: events that were applied are in the inbox.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice
from typing import BinaryIO, NamedTuple

import structlog

from chassis.database.session import AnySession, Database, DatabaseUnavailable
from chassis.messaging import inbox
from chassis.messaging.events import Event, EventId
from chassis.messaging.subscriptions import BulkHandler, Subscription, Subscriptions
from chassis.projections.event_dump import DumpHeader, StoredEvent, parse

BATCH = 500
PROGRESS_INTERVAL_SECONDS = 5
_MAX_REASON_LENGTH = 500

log = structlog.get_logger()


class _ParsedEvent(NamedTuple):
    event_id: EventId
    subscription: Subscription
    event: Event


class Importer:
    """`applied` counts the events that took effect; `failed` has the reasons of skipped events."""

    def __init__(
        self,
        database: Database,
        subscriptions: Subscriptions,
        rebuild_handlers: Mapping[type[Event], BulkHandler] | None = None,
    ) -> None:
        """`rebuild_handlers` take precedence over the bulk handlers of the subscriptions. They lock
        rows in no particular order, so pass them only if no other process writes to the tables."""
        self._database = database
        self._subscriptions = {each.event.routing_key: each for each in subscriptions}
        self._sources = subscriptions.sources
        self._rebuild_handlers = rebuild_handlers or {}
        self.applied = 0
        self.failed: dict[EventId, str] = {}

    async def run(self, dump: BinaryIO) -> AsyncIterator[None]:
        """Applies all events of the dump, and yields after each batch. Prints its progress.

        Raises TruncatedDump, and what `apply` raises.
        """
        progress = ImportProgress(self._database.service)
        items = parse(dump, self._sources)
        while batch := await asyncio.to_thread(lambda: list(islice(items, BATCH))):
            events = [item for item in batch if isinstance(item, StoredEvent)]
            progress.expect(sum(item.events for item in batch if isinstance(item, DumpHeader)))
            await self.apply(events)
            progress.add(len(events))
            yield
        progress.end()

    async def apply(self, events: Sequence[StoredEvent]) -> None:
        """Applies the events that the service reacts to and has not handled.

        Raises DatabaseUnavailable; the same events can be given again. After any other failure, the
        events are applied one by one, and those that fail are skipped.
        """
        parsed = [each for event in events if (each := self._parse(event)) is not None]
        if parsed:
            await self._apply_batch(parsed)

    def _parse(self, stored: StoredEvent) -> _ParsedEvent | None:
        """None for an event that the service does not react to, or that cannot be parsed."""
        subscription = self._subscriptions.get(stored.routing_key)
        if subscription is None:
            return None
        try:
            event = subscription.event.model_validate_json(stored.payload)
            event.received(stored.occurred_at)
        except ValueError as error:
            self._skip(stored.event_id, error)
            return None
        if not subscription.is_relevant(event):
            return None
        return _ParsedEvent(stored.event_id, subscription, event)

    async def _apply_batch(self, batch: Sequence[_ParsedEvent]) -> None:
        try:
            async with self._database.direct_transaction() as session:
                by_id = {each.event_id: each for each in batch}
                new = await inbox.insert_new(session, by_id)
                await self._handle(session, [by_id[each] for each in by_id if each in new])
        except Exception as error:
            # While the database is unavailable, the events would be skipped one after another.
            if await self._database.is_unavailable(error):
                raise DatabaseUnavailable(repr(error)) from error
            if len(batch) == 1:
                self._skip(batch[0].event_id, error)
                return
            for each in batch:
                await self._apply_batch([each])
            return
        self.applied += len(new)
        for event_id in new:
            self.failed.pop(event_id, None)

    async def _handle(self, session: AnySession, batch: Sequence[_ParsedEvent]) -> None:
        by_bulk_handler: dict[BulkHandler, list[tuple[Event, int]]] = defaultdict(list)
        for event_id, subscription, event in batch:
            if bulk_handler := self._rebuild_handlers.get(type(event), subscription.bulk_handler):
                by_bulk_handler[bulk_handler].append((event, event_id.number))
            else:
                await subscription.handler(session, event, event_id.number)
        for bulk_handler, events in by_bulk_handler.items():
            await bulk_handler(session, events)

    def _skip(self, event_id: EventId, error: Exception) -> None:
        self.failed[event_id] = f"{type(error).__name__}: {error}"[:_MAX_REASON_LENGTH]
        log.error("import.event_skipped", event_id=str(event_id), exc_info=error)


class ImportProgress:
    """Prints a line every few seconds: how many events of how many, and how fast."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._total = self._processed = 0
        self._reported: int | None = None
        self._started_at = self._reported_at = time.monotonic()

    def expect(self, events: int) -> None:
        """Adds to the total."""
        self._total += events

    def add(self, events: int) -> None:
        self._processed += events
        if time.monotonic() - self._reported_at > PROGRESS_INTERVAL_SECONDS:
            self._report()

    def end(self) -> None:
        """Prints the last line, unless it was printed already."""
        if self._reported != self._processed:
            self._report()

    def _report(self) -> None:
        self._reported = self._processed
        self._reported_at = time.monotonic()
        rate = self._processed / max(self._reported_at - self._started_at, 0.001)
        print_line(
            f"{self._service}: {self._processed:,} of {self._total:,} events, "
            f"{rate:,.0f} per second"
        )


def print_line(line: str) -> None:
    """Prints at once, also into a pipe."""
    print(line, flush=True)
