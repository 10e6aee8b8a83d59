"""What a process measures of itself: its event loop, its connections, its statements."""

import asyncio
import os
import time
from typing import Any

from prometheus_client import Gauge, Histogram
from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.pool import AsyncAdaptedQueuePool

from . import traces

LAG_SECONDS = 0.5
LOCKS_SECONDS = 5
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

BUILD = Gauge("warble_build_info", "Always 1.", ["service", "role", "version"])
LOOP_LAG = Histogram(
    "warble_event_loop_lag_seconds", "How late a timer of this process came.", buckets=_FAST
)
POOL_CONNECTIONS = Gauge(
    "warble_db_pool_connections", "Connections to the database by what they do.", ["state"]
)
POOL_SIZE = Gauge("warble_db_pool_size", "Connections that there may be.")
POOL_WAIT = Histogram(
    "warble_db_pool_wait_seconds", "Time until a connection was there.", buckets=_FAST
)
STATEMENT = Histogram("warble_db_statement_seconds", "Time of a statement.", buckets=_FAST)
WAITING_LOCKS = Gauge(
    "warble_db_waiting_locks", "Statements of this service that wait for another's lock."
)

COUNT_WAITING = """
select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = current_user
"""


def name_build(service: str, role: str) -> None:
    BUILD.labels(service, role, os.environ.get("WARBLE_REVISION", "unknown")).set(1)


async def watch_loop() -> None:
    """Runs until it is cancelled."""
    while True:
        due = time.perf_counter() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        LOOP_LAG.observe(max(0.0, time.perf_counter() - due))


class MeasuredPool(AsyncAdaptedQueuePool):
    def _do_get(self) -> Any:
        begun = time.perf_counter()
        try:
            return super()._do_get()
        finally:
            POOL_WAIT.observe(time.perf_counter() - begun)


def time_statements(engine: Engine) -> None:
    def begin(connection: Any, *_: object) -> None:
        connection.info["begun"] = time.perf_counter()

    def end(connection: Any, _cursor: object, statement: str, *_: object) -> None:
        note(statement, connection.info.pop("begun"))

    def fail(context: ExceptionContext) -> None:
        # What fails before a statement or after it, such as a commit, is none.
        connection, statement = context.connection, context.statement
        if connection is None or statement is None or "begun" not in connection.info:
            return
        note(statement, connection.info.pop("begun"), context.original_exception)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)


def note(statement: str, begun: float, error: BaseException | None = None) -> None:
    """`begun` is by `time.perf_counter`."""
    seconds = time.perf_counter() - begun
    STATEMENT.observe(seconds)
    traces.statement(statement, seconds, error)
