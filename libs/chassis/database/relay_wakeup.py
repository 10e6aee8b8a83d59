"""Wakes the relay of a service after a commit that has stored an event.

A trigger on the outbox could notify the relay within each transaction, and does so for connections
without `CONNECTION_SETTINGS`. But a transaction that notifies holds a lock of the whole cluster
until its commit is on the disk, so such commits wait for each other: docs/adr/0044. Therefore a
process that commits many events notifies the relay afterwards, by a statement of its own, which
writes nothing and so never waits for the disk while it holds the lock.

If the process dies in between, or the statement fails, the relay finds the event at its next poll.
"""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

from chassis.http.errors import report_job_error
from chassis.task_cancellation import cancel_tasks

CONNECTION_SETTINGS = {"warble.wakes_relay": "on"}
"""The parameter of PostgreSQL that turns the trigger off for a connection."""
INTERVAL_SECONDS = 0.005
"""The time between two notifications. Each wakes every connection of the database that listens to
anything, and the relay is still busy with its last batch."""


class RelayWakeup:
    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], service: str) -> None:
        self._connect = connect
        self._statement = f"notify {service}_outbox"
        self._connection: asyncpg.Connection | None = None
        self._is_requested = False
        self._sending: asyncio.Task[None] | None = None

    def request(self) -> None:
        """Notifies the relay soon. Requests that come meanwhile are one notification."""
        self._is_requested = True
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._is_requested:
            self._is_requested = False
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect()
                await self._connection.execute(self._statement)
            except Exception as error:
                self._terminate()
                report_job_error(
                    error,
                    unavailable="relay_wakeup.database_unavailable",
                    failed="relay_wakeup.failed",
                )
            await asyncio.sleep(INTERVAL_SECONDS)

    async def close(self) -> None:
        if self._sending is not None:
            await cancel_tasks(self._sending)
        self._terminate()

    def _terminate(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
