"""The header in which the gateway names a reader's latest writes to the services that are read.

The service waits until it has applied these events, so that people see their own writes at once:
see `gateway.consistency_tokens` and docs/adr/0005.
"""

from fastapi import Request

from chassis.http.errors import InvalidRequest
from chassis.messaging.events import EventId

AFTER_HEADER = "warble-after"
"""The header's name. Its value is a list such as `tweets:31,users:7`."""
MAX_EVENTS = 16
"""The gateway names no more. Further ones are ignored."""


def events_to_wait_for(request: Request) -> list[EventId]:
    """The events that the header names. Raises InvalidRequest if it is malformed."""
    after = request.headers.get(AFTER_HEADER)
    if not after:
        return []
    try:
        return [EventId.parse(event_id) for event_id in after.split(",")[:MAX_EVENTS]]
    except ValueError as error:
        raise InvalidRequest(reason=f"{AFTER_HEADER}: not a list of event ids.") from error
