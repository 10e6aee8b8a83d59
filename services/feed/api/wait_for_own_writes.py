"""Waits before a read for the reader's own writes, which the gateway names in a header."""

from typing import Annotated

import structlog
from fastapi import Depends, Request

from chassis.messaging.own_writes_header import events_to_wait_for

from ..inbox_listener import Freshness

STALE = "warble-stale"
"""The response header of a read that does not include the events that the gateway names."""

log = structlog.get_logger()


async def _wait_for_own_writes(request: Request) -> Freshness:
    """Waits for the events that the gateway names. Raises InvalidRequest if they are malformed."""
    events = events_to_wait_for(request)
    if not events:
        return Freshness.applied
    state = request.app.state
    freshness: Freshness = await state.inbox_listener.wait_for(
        events, state.settings.own_writes_timeout_seconds
    )
    if freshness is Freshness.timed_out:
        log.warning("own_writes.timed_out", events=",".join(map(str, events)))
    return freshness


WaitedFor = Annotated[Freshness, Depends(_wait_for_own_writes)]


def stale_header(freshness: Freshness) -> dict[str, str]:
    """The header that says that a response lacks some of the reader's own writes."""
    return {STALE: "true"} if freshness is Freshness.timed_out else {}
