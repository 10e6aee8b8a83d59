"""The current time by the database's clock, which all processes of a service share.

A process whose machine's clock is wrong still agrees with the other replicas about expiry times and
signatures. The process measures the difference to the database's clock and adds it to its own time.
Before the first measurement, and in a process without a database, the difference is zero.

It measures at start, when somebody has set the machine's clock (it looks every minute), and every
ten minutes in any case. Measuring more often would keep a connection to the database open in each
process that has no other use for it, and PostgreSQL needs memory for each.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import structlog

from chassis.database.session import Database
from chassis.http.errors import report_job_error

CHECK_INTERVAL_SECONDS = 60
MAX_AGE_SECONDS = 600
_TOLERATED_SECONDS = 1.0
"""A smaller difference between the machine's two clocks does not count as a clock that was set: it
is adjusted all the time."""
_ANSWER_TIMEOUT_SECONDS = 60
_REPORTED_OFFSET_SECONDS = 5.0

_NOW = "select extract(epoch from clock_timestamp())::float8 as now"

_offset = 0.0
"""Seconds by which the database's clock is ahead of this machine's."""
_measured_at: tuple[float, float] | None = None
"""This machine's clock and its monotonic clock, which nobody can set, at the last measurement."""

log = structlog.get_logger()


def epoch() -> float:
    """Seconds since 1970, in UTC."""
    return time.time() + _offset


def now() -> datetime:
    """In UTC, with its time zone."""
    return datetime.now(UTC) + timedelta(seconds=_offset)


async def synchronize(database: Database) -> None:
    """Measures the difference to the database's clock. Without an answer, the last one stays."""
    global _offset, _measured_at  # noqa: PLW0603  a process has one time
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT_SECONDS):
            # The first statement opens a connection, which would count as time on the way.
            await database.check()
            sent_at = time.time()
            (row,) = await database.fetch(_NOW)
            # The database read its clock about half a round trip ago, as in NTP.
            _offset = row["now"] - (sent_at + time.time()) / 2
            _measured_at = time.time(), time.monotonic()
    except Exception as error:
        # The process works on with the last offset, whatever went wrong.
        report_job_error(error, unavailable="clock.not_compared", failed="clock.not_compared")
        return
    if abs(_offset) > _REPORTED_OFFSET_SECONDS:
        log.error("clock.off", seconds=round(-_offset, 1))


async def synchronize_periodically(database: Database) -> None:
    """Runs until it is cancelled."""
    while True:
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)
        if is_due():
            await synchronize(database)


def is_due() -> bool:
    """Whether the difference has to be measured again."""
    if _measured_at is None:
        return True
    wall_clock, monotonic = _measured_at
    age = time.monotonic() - monotonic
    was_set = abs(time.time() - wall_clock - age) > _TOLERATED_SECONDS
    return was_set or age > MAX_AGE_SECONDS
