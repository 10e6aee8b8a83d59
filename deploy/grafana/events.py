"""Rows about events: out of a service, into one, and on their way in the broker."""

from .panels import Panel, Row
from .promql import legend, quantile, rate


def outbox(only: str, by: str) -> Row:
    worker = f'{only}, role="worker"'
    return Row(
        "Events out",
        [
            Panel(
                "Outbox: not yet published",
                "Events that are committed here and that the broker has not confirmed.",
                "short",
                [(f"max by (job) (warble_outbox_pending_events{{{worker}}})", "{{job}}")],
                (200, 2000),
                "outbox-stuck",
            ),
            Panel(
                "Outbox: age of the oldest",
                "The alert comes at 30 s.",
                "s",
                [(f"max by (job) (warble_outbox_oldest_age_seconds{{{worker}}})", "{{job}}")],
                (10, 30),
                "outbox-stuck",
            ),
            Panel(
                "Published",
                "Events that the broker confirmed, in a second.",
                "ops",
                [(rate("warble_events_published_total", by, worker), legend(by))],
            ),
        ],
    )


def inbox(only: str, by: str) -> Row:
    """What a service hears, and how late."""
    lines = legend(by)
    return Row(
        "Events in",
        [
            Panel(
                "Handled",
                "Events whose effect is committed, in a second.",
                "ops",
                [(rate("warble_events_handled_total", by, only), lines)],
            ),
            Panel(
                "Age when handled, median",
                "From the change to its effect here.",
                "s",
                [(quantile("0.5", "warble_event_age_seconds", by, only), lines)],
                (1, 5),
                "delivery-lags",
            ),
            Panel(
                "Delivery lag, 95th percentile",
                "From the change to its effect here, retries included. The alert comes at 5 s.",
                "s",
                [(quantile("0.95", "warble_event_age_seconds", by, only), lines)],
                (1, 5),
                "delivery-lags",
            ),
            Panel(
                "Tried again",
                "Events whose handling failed and that wait aside for another try.",
                "ops",
                [(f"{rate('warble_events_retried_total', by, only)} or vector(0)", lines)],
                (0.1, 1),
                "dead-letters",
            ),
            Panel(
                "Buried",
                "Events that failed to the last try, or that cannot be read.",
                "ops",
                [(f"{rate('warble_events_dead_lettered_total', by, only)} or vector(0)", lines)],
                (0.001, 0.01),
                "dead-letters",
            ),
        ],
    )


def queues(names: str) -> Row:
    """`names` is a regular expression of the services whose queues these are."""
    every = f'queue=~"({names})[.].+"'
    living = f'{every}, queue!~".+[.]dead|[a-z]+[.](retry[.].+|rebuild)"'
    return Row(
        "Queues",
        [
            Panel(
                "Waiting in queues",
                "Messages that no consumer has yet, by queue; those put aside for a retry too.",
                "short",
                [
                    (
                        "sum by (queue) (rabbitmq_detailed_queue_messages_ready"
                        f'{{{every}, queue!~".+[.]dead"}})',
                        "{{queue}}",
                    )
                ],
                (500, 5000),
                "delivery-lags",
            ),
            Panel(
                "Consumers",
                "Workers that read each queue: none means that its events have no effect.",
                "short",
                [
                    (
                        f"sum by (queue) (rabbitmq_detailed_queue_consumers{{{living}}})",
                        "{{queue}}",
                    )
                ],
                (1, 0.5),
                "consumer-absent",
            ),
            Panel(
                "Dead letters",
                "Messages that lie buried until somebody brings them back.",
                "short",
                [
                    (
                        "sum by (queue) (rabbitmq_detailed_queue_messages_ready"
                        f'{{{every}, queue=~".+[.]dead"}})',
                        "{{queue}}",
                    )
                ],
                (1, 10),
                "dead-letters",
            ),
            Panel(
                "Age of dead letters",
                "How long the oldest has lain there: the queue has not been empty since.",
                "s",
                [
                    (
                        f"time() - queue:dead_letters_since:timestamp_seconds{{{every}}}",
                        "{{queue}}",
                    )
                ],
                (60, 3600),
                "dead-letters",
            ),
        ],
    )


def broker() -> Row:
    only = 'job="rabbitmq"'
    return Row(
        "Broker",
        [
            Panel(
                "Connections",
                "Two for each gateway and worker, one for the feed's, which publishes nothing.",
                "short",
                [
                    (
                        f"sum by (instance) (rabbitmq_connections_opened_total{{{only}}}"
                        f" - rabbitmq_connections_closed_total{{{only}}})",
                        "{{instance}}",
                    )
                ],
            ),
            Panel(
                "Memory, of what it may use",
                "At 100 % the broker takes no more messages: outboxes fill.",
                "percentunit",
                [
                    (
                        f"max by (instance) (rabbitmq_process_resident_memory_bytes{{{only}}}"
                        f" / rabbitmq_resident_memory_limit_bytes{{{only}}})",
                        "{{instance}}",
                    )
                ],
                (0.7, 0.9),
                "outbox-stuck",
            ),
            Panel(
                "Disk that is left",
                "Below its own limit the broker takes no more messages: outboxes fill.",
                "bytes",
                [
                    (
                        f"min by (instance) (rabbitmq_disk_space_available_bytes{{{only}}})",
                        "{{instance}}",
                    )
                ],
                (5e9, 1e9),
                "disk-fills",
            ),
        ],
    )
