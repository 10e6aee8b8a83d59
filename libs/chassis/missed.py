"""`python -m chassis.missed services.feed`: takes in what the service's inbox does not know.

It reads from a pipe what `python -m chassis.kept services.<name>` tells of each producer. So what
the broker has lost, with a queue or because no backup holds it, comes to its effect.
"""

import asyncio
import importlib
import sys
from typing import BinaryIO

from . import telemetry
from .database import Database, DatabaseUnavailable
from .intake import Intake
from .kept import CutShort
from .settings import ServiceSettings
from .subscriptions import subscriptions_of


class ReactsToNothing(Exception):
    """The service hears of no event, so it has missed none."""


async def take_in(package: str, told: BinaryIO) -> Intake:
    """Raises ReactsToNothing, CutShort, DatabaseUnavailable."""
    subscriptions = subscriptions_of(package)
    if subscriptions is None:
        raise ReactsToNothing
    settings: ServiceSettings = importlib.import_module(f"{package}.settings").Settings()
    telemetry.configure(settings, "missed")
    database = Database(settings)
    intake = Intake(database, subscriptions)
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
    except ReactsToNothing:
        print(f"{package} reacts to no event: there is nothing to miss.", file=sys.stderr)
        return 1
    except CutShort as error:
        print(f"Not all events of {error} came: start again.", file=sys.stderr)
        return 1
    except DatabaseUnavailable as error:
        print(f"The database is unavailable ({error}): start again.", file=sys.stderr)
        return 1
    name = package.rpartition(".")[2]
    print(f"{name}: {intake.taken} events that it had missed")
    for event_id, reason in intake.failed.items():
        print(f"{name}: {event_id} was left out: {reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
