"""`python -m chassis.missed services.feed`: takes in what the service's inbox does not know.

It reads from a pipe what `python -m chassis.kept services.<name>` tells of each producer. So what
the broker has lost, with a queue or because no backup holds it, comes to its effect.
"""

import asyncio
import importlib
import sys
from typing import Any, BinaryIO

import asyncpg

from .database import Database
from .intake import Intake
from .kept import CutShort


async def take_in(package: str, told: BinaryIO) -> Intake:
    """Raises CutShort, and what the database raises when it is away."""
    handlers: Any = importlib.import_module(f"{package}.handlers")
    database = Database(importlib.import_module(f"{package}.settings").Settings())
    intake = Intake(database, handlers.subscriptions)
    try:
        async for _ in intake.pour(told):
            pass
    finally:
        await database.close()
    return intake


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m chassis.missed services.<name>", file=sys.stderr)
        return 2
    package = arguments[0]
    try:
        intake = asyncio.run(take_in(package, sys.stdin.buffer))
    except CutShort as error:
        print(f"Not all events of {error} came: start again.", file=sys.stderr)
        return 1
    except (OSError, asyncpg.PostgresError) as error:
        print(f"The database is away ({error!r}): start again.", file=sys.stderr)
        return 1
    name = package.rpartition(".")[2]
    print(f"{name}: {intake.taken} events that it had missed")
    for event_id, reason in intake.failed.items():
        print(f"{name}: {event_id} was left out: {reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
