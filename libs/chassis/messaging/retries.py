"""When a failed event is tried again, and how often. See `consumer`, which does it."""

RETRY_DELAYS = (1, 5, 30, 120)
"""Seconds that a failed event waits before its second, third, … and last attempt."""

DELIVERY_LIMIT = 20
"""Deliveries without an acknowledgement, because the worker died, after which the broker moves the
message to the dead letters."""
