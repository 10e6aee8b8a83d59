"""The form of a message at the broker: one event, or several events with the same routing key.

Each message costs the relay, the broker and every consumer several times what the event in it does:
frames, headers, a place in each queue. So under load, the relay puts the events of a batch that
have the same routing key into one message. A consumer handles, retries and dead-letters each event
by itself nevertheless, and acknowledges the message when all of them are settled.

- The message of one event has the event's JSON as its body. Properties and headers hold the id, the
  time and the cause of the event.
- A message of several has JSON lines. For each event there is one line with what the properties and
  headers would hold, and one with the event. The routing key is that of all.

An event that is tried again or is dead has a message of its own. See docs/adr/0052.
"""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage
from pydantic import BaseModel, ConfigDict

from chassis.messaging.events import from_milliseconds
from chassis.observability.event_metrics import OCCURRED_AT_HEADER

JSON = "application/json"
JSON_LINES = "application/jsonl"
"""The content type of a message of several events."""
MAX_BYTES = 64_000
"""Of the events of one message, if they are several."""
ATTEMPT_HEADER = "warble-attempt"
ERROR_HEADER = "warble-error"


@dataclass(frozen=True, slots=True)
class TransportedEvent:
    """An event on its way through the broker. Its payload is not validated."""

    event_id: str
    routing_key: str
    payload: bytes
    """The event as JSON, without line breaks."""
    occurred_at_ms: int | None
    """Milliseconds since the epoch; None if the message does not say."""
    request_id: str | None = None
    """The request that caused the event; likewise `traceparent`."""
    traceparent: str | None = None
    attempt: int = 1
    """1 if the event was not handled before."""

    @property
    def occurred_at(self) -> datetime:
        """An event without a time counts as one of this moment."""
        if self.occurred_at_ms is None:
            return datetime.now(UTC)
        return from_milliseconds(self.occurred_at_ms)

    def log_fields(self) -> dict[str, Any]:
        """The event, and the request that caused it."""
        return {
            "event_id": self.event_id,
            "routing_key": self.routing_key,
            "request_id": self.request_id,
            "traceparent": self.traceparent,
        }

    def logged(self) -> AbstractContextManager[object]:
        """Adds `log_fields` to every log line in the block."""
        return structlog.contextvars.bound_contextvars(**self.log_fields())


class _Head(BaseModel):
    """The first of an event's two lines in a message of several."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    id: str
    occurred_at_ms: int
    request_id: str | None = None
    traceparent: str | None = None


def encode(events: Sequence[TransportedEvent], error: Exception | None = None) -> Message:
    """The message of these events, which all have the same routing key.

    `error` is why an event is tried again or is dead.
    """
    first = events[0]
    if len(events) > 1:
        return Message(
            b"\n".join(line for event in events for line in (_head(event), event.payload)),
            message_id=first.event_id,
            type=first.routing_key,
            content_type=JSON_LINES,
            delivery_mode=DeliveryMode.PERSISTENT,
        )
    headers: dict[str, Any] = {
        OCCURRED_AT_HEADER: first.occurred_at_ms,
        "request_id": first.request_id,
        "traceparent": first.traceparent,
    }
    if first.attempt > 1 or error is not None:
        headers[ATTEMPT_HEADER] = first.attempt
    if error is not None:
        headers[ERROR_HEADER] = f"{type(error).__name__}: {error}"[:500]
    return Message(
        first.payload,
        message_id=first.event_id,
        type=first.routing_key,
        content_type=JSON,
        delivery_mode=DeliveryMode.PERSISTENT,
        headers=headers,
    )


def _head(event: TransportedEvent) -> bytes:
    head = {
        "id": event.event_id,
        "occurred_at_ms": event.occurred_at_ms,
        "request_id": event.request_id,
        "traceparent": event.traceparent,
    }
    return json.dumps(head).encode()


def decode_leniently(message: AbstractIncomingMessage) -> list[TransportedEvent]:
    """Like `decode`, but never raises: a malformed message becomes one event whose payload is the
    whole body, so that the event cannot be parsed and the consumer dead-letters the message."""
    try:
        return decode(message)
    except ValueError:
        return [_undivided(message)]


def decode(message: AbstractIncomingMessage) -> list[TransportedEvent]:
    """The events of a message, which may be invalid themselves. Raises ValueError for a malformed
    message of several events."""
    if message.content_type != JSON_LINES:
        return [_undivided(message)]
    key = message.type or ""
    lines = message.body.split(b"\n")
    events = []
    for line, payload in zip(lines[::2], lines[1::2], strict=True):
        head = _Head.model_validate_json(line)
        events.append(
            TransportedEvent(
                head.id, key, payload, head.occurred_at_ms, head.request_id, head.traceparent
            )
        )
    return events


def _undivided(message: AbstractIncomingMessage) -> TransportedEvent:
    """The message as that of one event."""
    # Headers that are missing, or that somebody else has set to something else, do not count.
    time, attempt = message.headers.get(OCCURRED_AT_HEADER), message.headers.get(ATTEMPT_HEADER)
    request_id, trace = message.headers.get("request_id"), message.headers.get("traceparent")
    return TransportedEvent(
        message.message_id or "",
        message.type or "",
        message.body,
        time if isinstance(time, int) else None,
        request_id if isinstance(request_id, str) else None,
        trace if isinstance(trace, str) else None,
        attempt if isinstance(attempt, int) else 1,
    )


def divide(
    events: Sequence[TransportedEvent], events_per_message: int
) -> list[list[TransportedEvent]]:
    """Divides events into those of one message each. Keeps the order within a routing key."""
    messages: list[list[TransportedEvent]] = []
    filling: dict[str, tuple[list[TransportedEvent], int]] = {}
    """The message that is being filled, and its bytes, by routing key."""
    for event in events:
        message, size = filling.get(event.routing_key, ([], 0))
        size += len(event.payload)
        if not message or len(message) == events_per_message or size > MAX_BYTES:
            message, size = [], len(event.payload)
            messages.append(message)
        message.append(event)
        filling[event.routing_key] = message, size
    return messages
