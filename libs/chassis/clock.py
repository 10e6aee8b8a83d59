"""What time it is, by the database's clock: the one that all processes of a service share.

A process whose own clock is off works as its neighbours do. Until the database was asked, and for a
process without one, its own clock stands.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import text

from .database import Database
from .errors import report_job_error

LOOK_SECONDS = 60
_WORTH_SAYING_SECONDS = 5.0

_NOW = text("select extract(epoch from clock_timestamp())::float8")

_ahead = 0.0
"""Seconds that the database's clock is ahead of this machine's."""

log = structlog.get_logger()


def epoch() -> float:
    """Seconds since 1970."""
    return time.time() + _ahead


def now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=_ahead)


async def look(database: Database) -> None:
    """Asks the database. Where it is away, what was known stays."""
    global _ahead  # noqa: PLW0603  a process has one time
    try:
        async with asyncio.timeout(LOOK_SECONDS), database.engine.connect() as connection:
            begun = time.time()
            there: float = (await connection.execute(_NOW)).scalar_one()
            # The answer is as old as half of its way, there and back.
            _ahead = there - (begun + time.time()) / 2
    except Exception as error:
        # The process works with the offset that it knows, whatever went wrong.
        report_job_error(error, unavailable="clock.not_compared", failed="clock.not_compared")
        return
    if abs(_ahead) > _WORTH_SAYING_SECONDS:
        log.error("clock.off", seconds=round(-_ahead, 1))


async def follow(database: Database) -> None:
    """Runs until it is cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await look(database)
