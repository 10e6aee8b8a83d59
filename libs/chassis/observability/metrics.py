"""Metrics of a process: its routes, its event loop, its database connections and statements."""

import asyncio
import os
import time
from functools import cache
from typing import Any

from fastapi import FastAPI
from prometheus_client import Counter, Gauge, Histogram
from prometheus_fastapi_instrumentator import Instrumentator
from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from chassis.observability import tracing

LOOP_LAG_INTERVAL_SECONDS = 0.5
LOCK_WAITS_INTERVAL_SECONDS = 5

_REQUEST_SECONDS_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_FAST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

REQUESTS = Counter(
    "http_requests_total", "Responses by route, method and status.", ["handler", "method", "status"]
)
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time to the end of the response, by route and method.",
    ["handler", "method"],
    buckets=_REQUEST_SECONDS_BUCKETS,
)
BUILD_INFO = Gauge("warble_build_info", "Always 1.", ["service", "role", "version"])
LOOP_LAG = Histogram(
    "warble_event_loop_lag_seconds",
    "Delay of a timer in the event loop of the process.",
    buckets=_FAST_BUCKETS,
)
POOL_CONNECTIONS = Gauge(
    "warble_db_pool_connections", "Connections to the database by state.", ["state"]
)
POOL_SIZE = Gauge("warble_db_pool_size", "Maximum number of connections to the database.")
POOL_WAIT = Histogram(
    "warble_db_pool_wait_seconds",
    "Time until the pool provided a connection.",
    buckets=_FAST_BUCKETS,
)
STATEMENT = Histogram(
    "warble_db_statement_seconds", "Duration of a statement.", buckets=_FAST_BUCKETS
)
WAITING_LOCKS = Gauge(
    "warble_db_waiting_locks", "Statements of this service that wait for another's lock."
)

COUNT_LOCK_WAITS = """
select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = current_user
"""


def set_build_info(service: str, role: str) -> None:
    BUILD_INFO.labels(service, role, os.environ.get("WARBLE_REVISION", "unknown")).set(1)


def install(app: FastAPI) -> None:
    """Serves `/metrics`.

    The instrumentator's own middleware would match the route of each request a second time, so
    requests are counted by `count_request`, under the names that the instrumentator gives.
    """
    Instrumentator().expose(app, include_in_schema=False)


def count_request(handler: str, method: str, status: int, seconds: float) -> None:
    """Counts a request that has just ended. `handler` is the pattern of its route."""
    requests, duration = _request_metrics(handler, method, status)
    requests.inc()
    duration.observe(seconds)


@cache
def _request_metrics(handler: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """Cached, because finding a metric by its labels costs more than incrementing it."""
    return REQUESTS.labels(handler, method, status), DURATION.labels(handler, method)


async def measure_loop_lag() -> None:
    """Runs until it is cancelled."""
    while True:
        due_at = time.perf_counter() + LOOP_LAG_INTERVAL_SECONDS
        await asyncio.sleep(LOOP_LAG_INTERVAL_SECONDS)
        LOOP_LAG.observe(max(0.0, time.perf_counter() - due_at))


class MeasuredPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool, which also measures how long a caller waits for a connection, and can
    close the connections that nobody uses. The overridden methods are private to SQLAlchemy."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle_since: dict[ConnectionPoolEntry, float] = {}

    @property
    def idle(self) -> int:
        return len(self._idle_since)

    def close_unused(self, seconds: float) -> None:
        """Closes the connections that nobody has used for so many seconds."""
        released_before = time.monotonic() - seconds
        for entry, released_at in list(self._idle_since.items()):
            if released_at < released_before:
                # The entry stays in the pool, which connects again when it takes the entry.
                entry.invalidate()
                del self._idle_since[entry]

    def _do_get(self) -> Any:
        started_at = time.perf_counter()
        try:
            entry = super()._do_get()
        finally:
            POOL_WAIT.observe(time.perf_counter() - started_at)
        self._idle_since.pop(entry, None)
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if record.dbapi_connection is not None:
            self._idle_since[record] = time.monotonic()
        super()._do_return_conn(record)


def time_statements(engine: Engine) -> None:
    """Measures every statement that runs through the engine, the failed ones too."""

    def start(connection: Any, *_: object) -> None:
        connection.info["started_at"] = time.perf_counter()

    def finish(connection: Any, _cursor: object, statement: str, *_: object) -> None:
        observe_statement(statement, connection.info.pop("started_at"))

    def fail(context: ExceptionContext) -> None:
        # This handler also gets errors outside of a statement, such as those of a commit.
        connection, statement = context.connection, context.statement
        if connection is None or statement is None or "started_at" not in connection.info:
            return
        started_at = connection.info.pop("started_at")
        observe_statement(statement, started_at, context.original_exception)

    event.listen(engine, "before_cursor_execute", start)
    event.listen(engine, "after_cursor_execute", finish)
    event.listen(engine, "handle_error", fail)


def observe_statement(
    statement: str, started_at: float, error: BaseException | None = None
) -> None:
    """Records a statement that has just ended. `started_at` is a time of `time.perf_counter`."""
    seconds = time.perf_counter() - started_at
    STATEMENT.observe(seconds)
    tracing.record_statement(statement, seconds, error)
