"""Waiting for one's own writes: a read that names events is held until the inbox has them."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum, auto

import structlog
from prometheus_client import Histogram

from chassis import inbox
from chassis.connections import Connections
from chassis.database import Database
from chassis.errors import report_job_error
from chassis.events import EventId

from .memory import Memory, subject

POLL_SECONDS = 0.1
ASK_SECONDS = 5
"""How often the listening connection is asked whether it lives, and how long it may think."""
RECONNECT_SECONDS = 1
REMEMBERED = 10_000
"""The last events that were heard of: whoever wrote reads again soon."""

WAITING = 30
"""Reads of one process that wait at once: the gateway gives a replica fifty to answer."""

_MISSING = """
select count(*) from unnest($1::text[], $2::bigint[]) as wanted (source, id)
where not exists (select from inbox where inbox.source = wanted.source and inbox.id = wanted.id)
"""

WAIT = Histogram(
    "warble_feed_own_writes_wait_seconds",
    "How long a read waited for the reader's own writes.",
    ["outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)

log = structlog.get_logger()


class Arrival(Enum):
    heard = auto()
    """Whatever it changed has been heard of as well."""
    stored = auto()
    """The database has it; the word of it may be on its way."""
    late = auto()


class Arrivals:
    """Hears of each event that the worker has committed, and of what it changed."""

    def __init__(self, database: Database, memory: Memory, connections: Connections) -> None:
        self._database = database
        self._connections = connections
        self._memory = memory
        self._heard: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._waits = 0

    async def listen(self) -> None:
        """Runs until cancelled. While the connection is away, those who wait look now and then."""
        while True:
            try:
                await self._listen_while_connected()
            except Exception as error:
                # Nobody else would start it again: without it every read costs the database.
                report_job_error(
                    error, unavailable="arrivals.database_away", failed="arrivals.failed"
                )
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_while_connected(self) -> None:
        connection = await self._database.connection()
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda *_: lost.set())
            schema = self._database.service
            await connection.add_listener(f"{schema}_inbox", self._arrived)
            await connection.add_listener(f"{schema}_changes", self._changed)
            self._memory.listen(well=True)
            while not lost.is_set():
                # A server that is gone without a word looks like one that has nothing to tell.
                await connection.fetchval("select 1", timeout=ASK_SECONDS)
                with suppress(TimeoutError):
                    async with asyncio.timeout(ASK_SECONDS):
                        await lost.wait()
        finally:
            self._memory.listen(well=False)
            self._heard.clear()
            connection.terminate()

    def _arrived(self, _connection: object, _pid: int, _channel: str, event: str) -> None:
        self._heard[event] = None
        if len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        for waiting in self._waiting.get(event, ()):
            waiting.set()

    def _changed(self, _connection: object, _pid: int, _channel: str, change: str) -> None:
        self._memory.changed(subject(change))

    def heard(self, names: Iterable[str]) -> bool:
        """Whether this process has heard of all of these events, and so of what they changed."""
        return all(name in self._heard for name in names)

    async def wait(self, events: Sequence[EventId], seconds: float) -> Arrival:
        begun = time.perf_counter()
        if self._waits >= WAITING and not self.heard(map(str, events)):
            arrival = Arrival.late
        else:
            self._waits += 1
            try:
                arrival = await self._wait(events, seconds)
            finally:
                self._waits -= 1
        outcome = "late" if arrival is Arrival.late else "in_time"
        WAIT.labels(outcome).observe(time.perf_counter() - begun)
        return arrival

    async def _wait(self, events: Sequence[EventId], seconds: float) -> Arrival:
        arrived = asyncio.Event()
        names = [str(event) for event in events]
        for name in names:
            self._waiting.setdefault(name, set()).add(arrived)
        try:
            async with asyncio.timeout(seconds):
                while not self.heard(names):
                    if not await self._missing(events):
                        return Arrival.heard if self.heard(names) else Arrival.stored
                    try:
                        async with asyncio.timeout(POLL_SECONDS):
                            await arrived.wait()
                    except TimeoutError:
                        continue
                    arrived.clear()
        except TimeoutError:
            return Arrival.late
        finally:
            for name in names:
                self._waiting[name].discard(arrived)
                if not self._waiting[name]:
                    del self._waiting[name]
        return Arrival.heard

    async def _missing(self, events: Sequence[EventId]) -> int:
        """How many of them the database does not have."""
        async with self._connections.running(_MISSING) as connection:
            return int(await connection.fetchval(_MISSING, *inbox.split(events)))
