"""A pool of bare asyncpg connections, where a SQLAlchemy session costs too much.

Some requests run a few fixed statements and return their JSON unchanged. For them, a session costs
more than the statements: SQLAlchemy wraps the driver in a cursor and resets the connection
afterwards. This pool does none of it.
`acquire` waits at a semaphore, takes a connection from a stack and gives it to the caller; the
connection returns to the stack as it is. The stack is last in, first out: the connection that was
used last has its statements prepared and its memory warm. The rest stay idle, until `close_unused`
closes them. Because nothing is reset, a caller that changes a connection's state (`set`, a
listener, a lock) must do so within a transaction. A caller that leaves with an error other than
PostgreSQL's own may have read half a response, so the pool closes that connection.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chassis.observability import metrics


class Pool:
    """At most `max_size` connections, which `connect` opens when they are needed. If all are in
    use, `acquire` waits for `timeout_seconds`.

    asyncpg's own pool starts two tasks for each `acquire`, which cost as much as a small statement.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        max_size: int,
        timeout_seconds: float,
    ) -> None:
        self._connect = connect
        self._timeout_seconds = timeout_seconds
        self._slots = asyncio.Semaphore(max_size)
        self._idle: list[tuple[asyncpg.Connection, float]] = []
        self._acquired: set[asyncpg.Connection] = set()
        self.max_size = max_size

    @property
    def used(self) -> int:
        return len(self._acquired)

    @property
    def idle(self) -> int:
        return len(self._idle)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        """Raises PoolTimeout if no connection is released in time, and what connecting raises.

        PoolTimeout is the error of SQLAlchemy's pool: a TimeoutError would look like a slow
        statement.
        """
        started_at = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise PoolTimeout(
                f"No connection was released within {self._timeout_seconds:g} s."
            ) from error
        try:
            connection = self._pop_idle() or await self._connect()
            metrics.POOL_WAIT.observe(time.perf_counter() - started_at)
            self._acquired.add(connection)
            try:
                yield connection
            except asyncpg.PostgresError:
                # PostgreSQL ended the statement itself: the connection is ready for the next one.
                raise
            except BaseException:
                # A cancelled caller leaves half a response unread.
                connection.terminate()
                raise
            finally:
                self._acquired.discard(connection)
                if not connection.is_closed():
                    self._idle.append((connection, time.monotonic()))
        finally:
            self._slots.release()

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of one statement on a connection of its own. Its duration goes to metrics and
        traces."""
        async with self.acquire() as connection:
            started_at = time.perf_counter()
            try:
                rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            except Exception as error:
                metrics.observe_statement(statement, started_at, error)
                raise
            metrics.observe_statement(statement, started_at)
            return rows

    def close_unused(self, seconds: float) -> None:
        """Closes the connections that nobody has used for so many seconds."""
        released_before = time.monotonic() - seconds
        while self._idle and self._idle[0][1] < released_before:
            self._idle.pop(0)[0].terminate()

    def close(self) -> None:
        """Closes all connections at once, without PostgreSQL's goodbye: the server may hang."""
        for connection in (*self._acquired, *(connection for connection, _ in self._idle)):
            connection.terminate()
        self._idle.clear()

    def _pop_idle(self) -> asyncpg.Connection | None:
        """The idle connection that was used last, without those that the server has closed."""
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None
