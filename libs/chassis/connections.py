"""Bare connections to the database, for the paths where a session would cost too much."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from . import metrics

WAIT_SECONDS = 3


class Connections:
    """At most so many, opened when they are needed, the last used lent first.

    asyncpg's own pool begins two tasks for each loan, which cost as much as a small statement does.
    Nothing is reset between loans: whoever changes a connection's state does so in a transaction.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], most: int) -> None:
        self._connect = connect
        self._turns = asyncio.Semaphore(most)
        self._free: list[asyncpg.Connection] = []
        self._lent: set[asyncpg.Connection] = set()
        self.most = most

    @property
    def used(self) -> int:
        return len(self._lent)

    @property
    def idle(self) -> int:
        return len(self._free)

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[asyncpg.Connection]:
        """Raises PoolTimeout if none becomes free in WAIT_SECONDS, and what connecting raises.

        This is the error of SQLAlchemy's pool. A TimeoutError would look like a slow statement.
        """
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise PoolTimeout(f"No connection became free within {WAIT_SECONDS} s.") from error
        try:
            connection = self._alive() or await self._connect()
            metrics.POOL_WAIT.observe(time.perf_counter() - begun)
            self._lent.add(connection)
            try:
                yield connection
            except asyncpg.PostgresError:
                raise
            except BaseException:
                # Whoever was cancelled leaves half an answer behind.
                connection.terminate()
                raise
            finally:
                self._lent.discard(connection)
                if not connection.is_closed():
                    self._free.append(connection)
        finally:
            self._turns.release()

    @asynccontextmanager
    async def running(self, statement: str) -> AsyncIterator[asyncpg.Connection]:
        """One for this single statement, whose time is measured."""
        async with self.lent() as connection:
            begun = time.perf_counter()
            try:
                yield connection
            except Exception as error:
                metrics.note(statement, begun, error)
                raise
            metrics.note(statement, begun)

    def close(self) -> None:
        """Asks nobody: a server that hangs would have us wait."""
        for connection in (*self._lent, *self._free):
            connection.terminate()
        self._free.clear()

    def _alive(self) -> asyncpg.Connection | None:
        """One that the server has not ended meanwhile."""
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        return None
