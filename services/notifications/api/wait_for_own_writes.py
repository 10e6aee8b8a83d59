"""Waiting for the caller's own writes: a tweet that the caller has just posted arrives as an event.

The gateway names the caller's latest events in the header `warble-after`, as for reads of the feed.
Calls that refer to tweets or people wait until the inbox contains these events. If they do not
arrive in time, the call goes on, and may not find its tweet.
"""

import asyncio
import time

from fastapi import Depends, Request

from chassis.auth.identity import SignedIn
from chassis.database.pool import Pool
from chassis.messaging import inbox
from chassis.messaging.events import EventId
from chassis.messaging.own_writes_header import events_to_wait_for

TIMEOUT_SECONDS = 1
POLL_INTERVAL_SECONDS = 0.05


async def _wait_for_own_writes(request: Request, identity: SignedIn) -> None:
    """Raises InvalidRequest if the header is malformed."""
    if events := events_to_wait_for(request):
        await _wait(request.app.state.connections, events)


async def _wait(connections: Pool, events: list[EventId]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        (row,) = await connections.fetch(inbox.COUNT_MISSING, *inbox.as_arrays(events))
        if not row["missing"] or time.monotonic() > deadline:
            return
        await asyncio.sleep(POLL_INTERVAL_SECONDS)


after_own_writes = Depends(_wait_for_own_writes)
"""A dependency of a route: the call waits."""
