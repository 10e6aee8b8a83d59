"""Metrics of events on their way from an outbox to a handler."""

from prometheus_client import Counter, Gauge, Histogram

OCCURRED_AT_HEADER = "occurred_at_ms"
"""The message header with the time of the change, from which the delivery time is measured.

Its value is in whole milliseconds since the epoch: the AMQP client encodes a float in 32 bits,
which for today's dates is accurate only to two minutes.
"""

EVENTS_PUBLISHED = Counter(
    "warble_events_published_total", "Events that the broker confirmed.", ["routing_key"]
)
EVENTS_HANDLED = Counter(
    "warble_events_handled_total",
    "Events whose handler's transaction has committed.",
    ["routing_key"],
)
EVENTS_RETRIED = Counter(
    "warble_events_retried_total", "Failed events that were scheduled for a retry.", ["routing_key"]
)
EVENTS_DEAD_LETTERED = Counter(
    "warble_events_dead_lettered_total",
    "Events that were moved to a dead-letter queue after the last attempt.",
    ["routing_key"],
)
EVENT_DELIVERY_SECONDS = Histogram(
    "warble_event_delivery_seconds",
    "Time from an event's change to the end of its handling.",
    ["routing_key"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300),
)
OUTBOX_PENDING = Gauge("warble_outbox_pending_events", "Events that are not yet published.")
OUTBOX_OLDEST_SECONDS = Gauge(
    "warble_outbox_oldest_age_seconds", "Age of the oldest event that is not yet published."
)
