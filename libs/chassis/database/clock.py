"""The current time by the database's clock, which all processes of a service share.

A process whose machine's clock is wrong still agrees with the other replicas about expiry times and
signatures. The process measures the difference to the database's clock at start and once a minute,
and adds it to its own time. Before the first measurement, and in a process without a database, the
difference is zero.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import structlog

from chassis.database.session import Database
from chassis.http.errors import report_job_error

INTERVAL_SECONDS = 60
_REPORTED_OFFSET_SECONDS = 5.0

_NOW = "select extract(epoch from clock_timestamp())::float8 as now"

_offset = 0.0
"""Seconds by which the database's clock is ahead of this machine's."""

log = structlog.get_logger()


def epoch() -> float:
    """Seconds since 1970, in UTC."""
    return time.time() + _offset


def now() -> datetime:
    """In UTC, with its time zone."""
    return datetime.now(UTC) + timedelta(seconds=_offset)


async def synchronize(database: Database) -> None:
    """Measures the difference to the database's clock. Without an answer, the last one stays."""
    global _offset  # noqa: PLW0603  a process has one time
    try:
        async with asyncio.timeout(INTERVAL_SECONDS):
            # The first statement opens a connection, which would count as time on the way.
            await database.check()
            sent_at = time.time()
            (row,) = await database.fetch(_NOW)
            # The database read its clock about half a round trip ago, as in NTP.
            _offset = row["now"] - (sent_at + time.time()) / 2
    except Exception as error:
        # The process works on with the last offset, whatever went wrong.
        report_job_error(error, unavailable="clock.not_compared", failed="clock.not_compared")
        return
    if abs(_offset) > _REPORTED_OFFSET_SECONDS:
        log.error("clock.off", seconds=round(-_offset, 1))


async def synchronize_periodically(database: Database) -> None:
    """Runs until it is cancelled."""
    while True:
        await asyncio.sleep(INTERVAL_SECONDS)
        await synchronize(database)
