"""Rows that every service has.

`only` is a label selector, such as `job="feed"`; `by` are the labels by which lines are grouped.
"""

from .panels import Panel, Row
from .promql import WINDOW, legend, quantile, rate

QUANTILES = (("0.5", "median"), ("0.95", "95th percentile"), ("0.99", "99th percentile"))


def requests(only: str, by: str) -> Row:
    """Rate, errors, duration."""
    every = rate("http_requests_total", by, only)
    failed = rate("http_requests_total", by, f'{only}, status=~"5.."')
    lines = legend(by)
    return Row(
        "Requests",
        [
            Panel(
                "Requests",
                "Responses per second, with any status.",
                "reqps",
                [(every, lines)],
            ),
            Panel(
                "Failed",
                "The share of responses with status 500 and above. The objective is 0.1 % a month.",
                "percentunit",
                [(f"({failed} or 0 * {every}) / ({every} > 0)", lines)],
                (0.001, 0.0144),
                "error-budget-burns",
            ),
            Panel(
                "Responses by status",
                "401, 403 and 404 are mistakes of clients; many 429 or 503 are a problem.",
                "reqps",
                [(rate("http_requests_total", "status", only), "{{status}}")],
                None,
                "error-budget-burns",
            ),
            *(
                Panel(
                    f"Duration, {name}",
                    "Until the end of the response; an upload's depends on the client's network.",
                    "s",
                    [(quantile(share, "http_request_duration_seconds", by, only), lines)],
                    (0.5, 1),
                    "answers-are-slow",
                )
                for share, name in QUANTILES
            ),
        ],
    )


def processes(only: str, by: str) -> Row:
    """Replicas, versions, CPU, memory, files."""
    where = f"{by}, instance"
    return Row(
        "Processes",
        [
            Panel(
                "Replicas up",
                "Instances that Prometheus can scrape.",
                "short",
                [(f"sum by ({by}) (up{{{only}}})", legend(by))],
                (1, 0.5),
                "instance-down",
            ),
            Panel(
                "Replicas by version",
                "More than one version is normal only during an upgrade.",
                "short",
                [
                    (
                        f"count by ({by}, version) (warble_build_info{{{only}}})",
                        f"{legend(by)} {{{{version}}}}",
                    )
                ],
            ),
            Panel(
                "Event loop lag, 99th percentile",
                "How late timers run. Above 0.1 s the process is overloaded or blocked.",
                "s",
                [
                    (
                        quantile("0.99", "warble_event_loop_lag_seconds", where, only),
                        legend(where),
                    )
                ],
                (0.05, 0.25),
                "answers-are-slow",
            ),
            Panel(
                "CPU",
                "Processors in use. A Python process can hardly use more than one.",
                "short",
                [
                    (
                        f"sum by ({where}) (rate(process_cpu_seconds_total{{{only}}}[{WINDOW}]))",
                        legend(where),
                    )
                ],
                (0.7, 0.9),
                "answers-are-slow",
            ),
            Panel(
                "Memory",
                "Resident memory.",
                "bytes",
                [(f"sum by ({where}) (process_resident_memory_bytes{{{only}}})", legend(where))],
            ),
            Panel(
                "Open files",
                "The share of the file descriptor limit; connections count too.",
                "percentunit",
                [
                    (
                        f"max by ({where}) (process_open_fds{{{only}}}"
                        f" / process_max_fds{{{only}}})",
                        legend(where),
                    )
                ],
                (0.6, 0.85),
                "instance-down",
            ),
        ],
    )


def database(only: str, by: str) -> Row:
    lines = legend(by)
    pool = f"{{{only}}}"
    return Row(
        "Database",
        [
            Panel(
                "Connections",
                "The pools of all replicas: in use, idle, and the maximum.",
                "short",
                [
                    (
                        f"sum by ({by}, state) (warble_db_pool_connections{pool})",
                        f"{lines} {{{{state}}}}",
                    ),
                    (f"sum by ({by}) (warble_db_pool_size{pool})", f"{lines} allowed"),
                ],
            ),
            Panel(
                "Wait for a connection, 99th percentile",
                "A request fails after waiting 3 s.",
                "s",
                [(quantile("0.99", "warble_db_pool_wait_seconds", by, only), lines)],
                (0.1, 1),
                "database-is-slow",
            ),
            Panel(
                "Waiting for locks",
                "Statements that wait for a lock of another transaction.",
                "short",
                [(f'max by (job) (warble_db_waiting_locks{{{only}, role="worker"}})', "{{job}}")],
                (5, 20),
                "database-is-slow",
            ),
            Panel(
                "Statements",
                "Statements per second.",
                "ops",
                [(rate("warble_db_statement_seconds_count", by, only), lines)],
            ),
            *(
                Panel(
                    f"Statement time, {name}",
                    "From sending a statement to its result. A statement times out after 10 s.",
                    "s",
                    [(quantile(share, "warble_db_statement_seconds", by, only), lines)],
                    (0.1, 1),
                    "database-is-slow",
                )
                for share, name in QUANTILES[::2]
            ),
        ],
    )
