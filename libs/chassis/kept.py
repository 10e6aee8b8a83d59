"""`python -m chassis.kept services.users`: every event that the service keeps, as lines of JSON.

Who lost them, or is to be made anew, takes them in: see `missed` and `rebuild`. So each process
reads its own schema alone, and a pipe bounds what is on its way.
"""

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .database import Database
from .events import EventId

PAGE = 1_000

_DEPTH = "select count(*) as events, coalesce(max(id), 0) as last from outbox"
_PAGE = """
select id, routing_key, payload::text as payload from outbox
where id > $1 and id <= $2 order by id limit $3
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An event as its producer kept it."""

    event_id: EventId
    routing_key: str
    payload: str | bytes


class CutShort(Exception):
    """The events of a producer end before the last one: not all that it keeps has come."""


async def told(database: Database) -> AsyncIterator[str]:
    """How many there are, each in the order of their numbers, and that it was all.

    Events of transactions that end meanwhile may be missing: they are published later.
    """
    connection = await database.connection()
    try:
        depth = await connection.fetchrow(_DEPTH)
        yield json.dumps({"source": database.service, "events": depth["events"]})
        last = 0
        while rows := await connection.fetch(_PAGE, last, depth["last"], PAGE):
            for row in rows:
                yield json.dumps([row["id"], row["routing_key"], row["payload"]])
            last = rows[-1]["id"]
        yield json.dumps({"end": database.service})
    finally:
        connection.terminate()


def heard(lines: Iterable[bytes | str], sources: Iterable[str]) -> Iterator[Kept | tuple[str, int]]:
    """What one producer after the other told: how many events it has, then each of them.

    Raises CutShort, also when one of `sources` is not among them.
    """
    source, awaited = "", set(sources)
    for line in lines:
        content = json.loads(line)
        if isinstance(content, list):
            number, routing_key, payload = content
            yield Kept(EventId(source, number), routing_key, payload)
        elif "end" in content:
            awaited.discard(source)
            source = ""
        else:
            if source:
                raise CutShort(source)
            source = content["source"]
            yield source, content["events"]
    if source or awaited:
        raise CutShort(source or " and ".join(sorted(awaited)))


async def _tell(package: str) -> None:
    settings: Any = importlib.import_module(f"{package}.settings").Settings()
    if "outbox" not in importlib.import_module(f"{package}.models").metadata.tables:
        return
    database = Database(settings)
    async for line in told(database):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m chassis.kept services.<name>", file=sys.stderr)
        return 2
    try:
        asyncio.run(_tell(arguments[0]))
    except BrokenPipeError:
        # Who reads has ended and said why.
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
