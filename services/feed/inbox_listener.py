"""Reading your own writes: a read that names events waits until the feed has applied them.

A person posts a tweet and reads the feed. The tweet reaches the feed as an event, a moment later,
so the read might come too early. Therefore the gateway names the reader's latest events in the
header `warble-after` (`tweets:31`), and the read waits for them: see docs/adr/0005.

The feed's worker applies an event and inserts its id into `inbox` in one transaction. Triggers
notify two channels when it commits: first `feed_changes`, with the tags of what the event changed,
then `feed_inbox`, with the event's id. PostgreSQL delivers notifications in this order. So a
process that has received an event's id has already invalidated the cache entries that the event
made wrong, and may answer from its cache (`Freshness.applied`).

A process does not receive every notification: it may have started later, or lost its connection.
Therefore a read that waits also checks the table `inbox` now and then. If it finds the event there
first, the cache may still hold old entries, so the read must use the database
(`Freshness.committed`). If the time is over, the response says that it is stale
(`Freshness.timed_out`).
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from enum import Enum, auto

from prometheus_client import Histogram

from chassis.database import listen_notify
from chassis.database.pool import Pool
from chassis.database.session import Database
from chassis.messaging import inbox
from chassis.messaging.events import EventId

from .invalidating_cache import InvalidatingCache, parse_tag

POLL_INTERVAL_SECONDS = 0.1
"""How often a read that waits checks the inbox."""
MAX_APPLIED_EVENTS = 10_000
"""How many of the latest events a process remembers. People read soon after they write."""

MAX_WAITING_READS = 30
"""How many reads of one process may wait at once. The gateway sends a replica at most 50 requests
at once, so reads that need not wait are still served."""

WAIT = Histogram(
    "warble_feed_own_writes_wait_seconds",
    "How long a read waited for the reader's own writes.",
    ["outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)


class Freshness(Enum):
    """What a read may rely on after it has waited for events."""

    applied = auto()
    """This process was notified of the events. The cache is up to date with them."""
    committed = auto()
    """The database has the events. The cache may still hold older entries."""
    timed_out = auto()
    """The events have not arrived. The response is stale."""


class InboxListener:
    """Receives PostgreSQL's notifications: invalidates the cache, and wakes waiting reads."""

    def __init__(self, database: Database, cache: InvalidatingCache, connections: Pool) -> None:
        self._database = database
        self._connections = connections
        self._cache = cache
        self._applied: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._waiting_reads = 0

    async def listen(self) -> None:
        """Runs until it is cancelled. While the connection is lost, nothing is cached, and reads
        that wait check the inbox."""
        schema = self._database.service
        handlers = {
            f"{schema}_inbox": self._on_event_applied,
            f"{schema}_changes": self._on_change,
        }
        await listen_notify.listen(self._database, handlers, self._set_connected)

    def _set_connected(self, connected: bool) -> None:
        self._cache.set_connected(connected)
        self._applied.clear()

    def _on_event_applied(self, event_id: str) -> None:
        self._applied[event_id] = None
        if len(self._applied) > MAX_APPLIED_EVENTS:
            self._applied.popitem(last=False)
        for arrived in self._waiting.get(event_id, ()):
            arrived.set()

    def _on_change(self, payload: str) -> None:
        self._cache.invalidate(parse_tag(payload))

    def is_applied(self, event_ids: Iterable[str]) -> bool:
        """Whether this process was notified of all these events, and so of all their changes."""
        return all(event_id in self._applied for event_id in event_ids)

    async def wait_for(self, events: Sequence[EventId], timeout_seconds: float) -> Freshness:
        """Waits for the events. With too many waiting reads, it times out immediately."""
        started_at = time.perf_counter()
        if self._waiting_reads >= MAX_WAITING_READS and not self.is_applied(map(str, events)):
            freshness = Freshness.timed_out
        else:
            self._waiting_reads += 1
            try:
                freshness = await self._wait_for(events, timeout_seconds)
            finally:
                self._waiting_reads -= 1
        outcome = "late" if freshness is Freshness.timed_out else "in_time"
        WAIT.labels(outcome).observe(time.perf_counter() - started_at)
        return freshness

    async def _wait_for(self, events: Sequence[EventId], timeout_seconds: float) -> Freshness:
        arrived = asyncio.Event()
        event_ids = [str(event) for event in events]
        for event_id in event_ids:
            self._waiting.setdefault(event_id, set()).add(arrived)
        try:
            async with asyncio.timeout(timeout_seconds):
                while not self.is_applied(event_ids):
                    if not await self._count_missing(events):
                        # The notification may have arrived while the statement ran.
                        is_applied = self.is_applied(event_ids)
                        return Freshness.applied if is_applied else Freshness.committed
                    try:
                        async with asyncio.timeout(POLL_INTERVAL_SECONDS):
                            await arrived.wait()
                    except TimeoutError:
                        continue
                    arrived.clear()
        except TimeoutError:
            return Freshness.timed_out
        finally:
            for event_id in event_ids:
                self._waiting[event_id].discard(arrived)
                if not self._waiting[event_id]:
                    del self._waiting[event_id]
        return Freshness.applied

    async def _count_missing(self, events: Sequence[EventId]) -> int:
        """How many of the events the inbox in the database does not have."""
        (row,) = await self._connections.fetch(inbox.COUNT_MISSING, *inbox.as_arrays(events))
        return int(row["missing"])
