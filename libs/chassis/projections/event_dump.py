"""`python -m chassis dump services.users`: prints the service's stored events as lines of JSON.

`backfill` and `rebuild` read such dumps from standard input, one producer's after another. Thus
each process reads only its own schema, and the pipe limits how many events are in memory. A dump is
a line `{"source": …, "events": count}`, a line `[id, routing key, payload, time]` for each event,
and a line `{"end": source}`, without which the dump is incomplete. Times are in milliseconds since
the epoch.
"""

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from chassis.database.session import Database
from chassis.messaging.events import EventId, from_milliseconds, to_milliseconds

PAGE_SIZE = 1_000

_SUMMARY = "select count(*) as events, coalesce(max(id), 0) as last_id from outbox"
_PAGE = """
select id, routing_key, payload::text as payload, occurred_at from outbox
where id > $1 and id <= $2 order by id limit $3
"""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as its producer's outbox holds it: `payload` is JSON, not yet parsed."""

    event_id: EventId
    routing_key: str
    payload: str | bytes
    occurred_at: datetime


class DumpHeader(NamedTuple):
    """Precedes the events of one producer, and says how many there are."""

    source: str
    events: int


class TruncatedDump(Exception):
    """A producer's dump ends before its last event, or is missing. The message names the
    producer."""


async def dump(database: Database) -> AsyncIterator[str]:
    """Yields the lines of a dump, the events in the order of their ids.

    Events of transactions that commit meanwhile may be missing: the relay publishes them later.
    """
    connection = await database.connect()
    try:
        summary = await connection.fetchrow(_SUMMARY)
        yield json.dumps({"source": database.service, "events": summary["events"]})
        last_id = 0
        while rows := await connection.fetch(_PAGE, last_id, summary["last_id"], PAGE_SIZE):
            for row in rows:
                occurred_at = to_milliseconds(row["occurred_at"])
                yield json.dumps([row["id"], row["routing_key"], row["payload"], occurred_at])
            last_id = rows[-1]["id"]
        yield json.dumps({"end": database.service})
    finally:
        connection.terminate()


def parse(
    lines: Iterable[bytes | str], sources: Iterable[str]
) -> Iterator[StoredEvent | DumpHeader]:
    """Parses the dumps of several producers, one after another.

    Raises TruncatedDump if the dump of a producer has no end, or if one of `sources` is missing.
    """
    source, missing_sources = "", set(sources)
    for line in lines:
        content = json.loads(line)
        if isinstance(content, list):
            number, routing_key, payload, occurred_at = content
            event_id = EventId(source, number)
            yield StoredEvent(event_id, routing_key, payload, from_milliseconds(occurred_at))
        elif "end" in content:
            missing_sources.discard(source)
            source = ""
        else:
            if source:
                raise TruncatedDump(source)
            source = content["source"]
            yield DumpHeader(source, content["events"])
    if source or missing_sources:
        raise TruncatedDump(source or " and ".join(sorted(missing_sources)))


async def _print_dump(package: str) -> None:
    settings: Any = importlib.import_module(f"{package}.settings").Settings()
    if "outbox" not in importlib.import_module(f"{package}.models").metadata.tables:
        return
    database = Database(settings)
    async for line in dump(database):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(package: str) -> int:
    """Returns the exit code. A service without an outbox prints nothing."""
    try:
        asyncio.run(_print_dump(package))
    except BrokenPipeError:
        # The reading process has ended, and has printed why.
        return 1
    return 0
