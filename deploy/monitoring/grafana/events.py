"""Rows about events: a service's outbox, its inbox, its queues, and the broker."""

from .panels import Panel, Row
from .promql import legend, quantile, rate


def outbox(only: str, by: str) -> Row:
    worker = f'{only}, role="worker"'
    return Row(
        "Outbox",
        [
            Panel(
                "Unpublished events",
                "Committed events that the broker has not confirmed yet.",
                "short",
                [(f"max by (job) (warble_outbox_pending_events{{{worker}}})", "{{job}}")],
                (200, 2000),
                "outbox-stuck",
            ),
            Panel(
                "Age of the oldest unpublished event",
                "An alert fires above 30 s.",
                "s",
                [(f"max by (job) (warble_outbox_oldest_age_seconds{{{worker}}})", "{{job}}")],
                (10, 30),
                "outbox-stuck",
            ),
            Panel(
                "Published",
                "Events per second that the broker confirmed.",
                "ops",
                [(rate("warble_events_published_total", by, worker), legend(by))],
            ),
        ],
    )


def inbox(only: str, by: str) -> Row:
    """The events that a service handles, and their delay."""
    lines = legend(by)
    return Row(
        "Inbox",
        [
            Panel(
                "Handled",
                "Events per second whose effect is committed.",
                "ops",
                [(rate("warble_events_handled_total", by, only), lines)],
            ),
            Panel(
                "Delivery lag, median",
                "From the change to its effect in this service.",
                "s",
                [(quantile("0.5", "warble_event_delivery_seconds", by, only), lines)],
                (1, 5),
                "delivery-lags",
            ),
            Panel(
                "Delivery lag, 95th percentile",
                "From the change to its effect in this service, including retries. An alert fires "
                "above 5 s.",
                "s",
                [(quantile("0.95", "warble_event_delivery_seconds", by, only), lines)],
                (1, 5),
                "delivery-lags",
            ),
            Panel(
                "Retries",
                "Events whose handler failed and that wait for a retry.",
                "ops",
                [(f"{rate('warble_events_retried_total', by, only)} or vector(0)", lines)],
                (0.1, 1),
                "dead-letters",
            ),
            Panel(
                "Dead-lettered",
                "Events that failed in all retries or cannot be parsed.",
                "ops",
                [(f"{rate('warble_events_dead_lettered_total', by, only)} or vector(0)", lines)],
                (0.001, 0.01),
                "dead-letters",
            ),
        ],
    )


def queues(names: str) -> Row:
    """`names` is a regular expression of service names."""
    every = f'queue=~"({names})[.].+"'
    living = f'{every}, queue!~".+[.]dead|[a-z]+[.](retry[.].+|rebuild)"'
    return Row(
        "Queues",
        [
            Panel(
                "Ready messages",
                "Messages that no consumer has fetched yet, by queue, including those that wait "
                "for a retry.",
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
                "Workers that read each queue. Without any, its events have no effect.",
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
                "Messages that stay in a dead-letter queue until an operator replays them.",
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
                "How long the queue of dead letters has not been empty.",
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
                "Two per gateway and worker; one of the feed's worker, which publishes nothing.",
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
                "Memory, share of the limit",
                "At 100 % the broker accepts no more messages, and outboxes grow.",
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
                "Free disk space",
                "Below its limit the broker accepts no more messages, and outboxes grow.",
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
