"""`python -m chassis backfill services.feed`: applies the stored events that the inbox lacks.

It reads the producers' dumps (`python -m chassis dump services.<name>`) from standard input, and
applies them to the tables that serve. This repairs the loss of messages at the broker: a queue that
was deleted, or messages that are newer than a restored backup.
"""

import asyncio
import importlib
import sys
from typing import BinaryIO

from chassis.database.session import Database, DatabaseUnavailable
from chassis.messaging.subscriptions import load_subscriptions
from chassis.observability import error_reporting, logging
from chassis.projections.event_dump import TruncatedDump
from chassis.projections.importer import Importer
from chassis.settings import ServiceSettings


async def backfill(package: str, dump: BinaryIO) -> Importer:
    """Returns the importer, with its counts. Raises TruncatedDump and DatabaseUnavailable."""
    settings: ServiceSettings = importlib.import_module(f"{package}.settings").Settings()
    logging.configure(settings, "backfill")
    error_reporting.configure(settings, "backfill")
    database = Database(settings)
    importer = Importer(database, load_subscriptions(package))
    try:
        async for _ in importer.run(dump):
            pass
    finally:
        await database.close()
    return importer


def main(package: str) -> int:
    """Returns the exit code."""
    try:
        importer = asyncio.run(backfill(package, sys.stdin.buffer))
    except TruncatedDump as error:
        print(f"The dump of {error} is incomplete. Run the command again.", file=sys.stderr)
        return 1
    except DatabaseUnavailable as error:
        print(f"The database is unavailable ({error}). Run the command again.", file=sys.stderr)
        return 1
    name = package.rpartition(".")[2]
    print(f"{name}: applied {importer.applied} events that the service had missed")
    for event_id, reason in importer.failed.items():
        print(f"{name}: skipped {event_id}: {reason}", file=sys.stderr)
    return 0
