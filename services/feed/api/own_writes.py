"""Waits before a read for the reader's own writes, which the gateway names in a header."""

from typing import Annotated

import structlog
from fastapi import Depends, Request

from chassis.http.errors import InvalidRequest
from chassis.messaging.events import EventId
from chassis.process.direct_reads import AFTER

from ..read_your_writes import Freshness

STALE = "warble-stale"
"""The response header of a read that does not include the events named by AFTER."""
MAX_AFTER_EVENTS = 16
"""The gateway names no more. Further ones are ignored."""

log = structlog.get_logger()


async def _wait_for_own_writes(request: Request) -> Freshness:
    """Waits for the events that the gateway names. Raises InvalidRequest if they are malformed."""
    after = request.headers.get(AFTER)
    if not after:
        return Freshness.applied
    try:
        events = [EventId.parse(event_id) for event_id in after.split(",")[:MAX_AFTER_EVENTS]]
    except ValueError as error:
        raise InvalidRequest(reason=f"{AFTER}: not a list of event ids.") from error
    state = request.app.state
    freshness: Freshness = await state.inbox_listener.wait_for(
        events, state.settings.own_writes_timeout_seconds
    )
    if freshness is Freshness.timed_out:
        log.warning("own_writes.timed_out", events=after)
    return freshness


WaitedFor = Annotated[Freshness, Depends(_wait_for_own_writes)]


def stale_header(freshness: Freshness) -> dict[str, str]:
    """The header that says that a response lacks some of the reader's own writes."""
    return {STALE: "true"} if freshness is Freshness.timed_out else {}
