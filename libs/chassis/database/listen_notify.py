"""Receiving PostgreSQL's notifications for as long as a process runs.

A process that caches what it has read needs to hear of every change. It must also know when it may
have missed one: while the connection is lost, it must not cache.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from chassis.database.session import Database
from chassis.http.errors import report_job_error

CHECK_INTERVAL_SECONDS = 5
"""How often the listening connection is checked, and how long the check may take."""
RECONNECT_DELAY_SECONDS = 1

Handlers = Mapping[str, Callable[[str], None]]
"""What to call for each channel, with the payload of the notification."""


async def listen(
    database: Database, handlers: Handlers, set_connected: Callable[[bool], None]
) -> None:
    """Runs until it is cancelled, and reconnects after any error.

    `set_connected` is called with True when notifications are received from now on, and with False
    when that ends.
    """
    while True:
        try:
            await _listen_while_connected(database, handlers, set_connected)
        except Exception as error:
            # If this loop ended, nothing would start it again, and without the cache every read
            # would need the database.
            report_job_error(
                error, unavailable="notifications.database_away", failed="notifications.failed"
            )
        await asyncio.sleep(RECONNECT_DELAY_SECONDS)


async def _listen_while_connected(
    database: Database, handlers: Handlers, set_connected: Callable[[bool], None]
) -> None:
    def on_notification(_connection: object, _pid: int, channel: str, payload: str) -> None:
        handlers[channel](payload)

    connection = await database.connect()
    try:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda *_: lost.set())
        for channel in handlers:
            await connection.add_listener(channel, on_notification)
        set_connected(True)
        while not lost.is_set():
            # Without this check, a server that has vanished would look like one that has nothing
            # to notify.
            await connection.fetchval("select 1", timeout=CHECK_INTERVAL_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_INTERVAL_SECONDS):
                    await lost.wait()
    finally:
        set_connected(False)
        connection.terminate()
