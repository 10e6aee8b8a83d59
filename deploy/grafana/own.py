"""Rows about what one part alone does: the store's pictures, the edge, one's own writes."""

from .panels import Panel, Row
from .promql import legend, quantile, rate


def storage(only: str) -> Row:
    return Row(
        "Pictures",
        [
            Panel(
                "Stored",
                "Bytes written to the store in a second.",
                "Bps",
                [(rate("warble_media_stored_bytes_total", "job", only), "{{job}}")],
            ),
            Panel(
                "Calls to the store",
                "By what is asked of it.",
                "ops",
                [(rate("warble_media_storage_seconds_count", "operation", only), "{{operation}}")],
            ),
            Panel(
                "Time of a call, 99th percentile",
                "One is given up after 12 s.",
                "s",
                [
                    (
                        quantile("0.99", "warble_media_storage_seconds", "operation", only),
                        "{{operation}}",
                    )
                ],
                (1, 5),
                "answers-are-slow",
            ),
            Panel(
                "Refused",
                "Uploads that were refused, by reason: too large, no picture, too many pixels.",
                "ops",
                [
                    (
                        f"{rate('warble_media_refused_total', 'reason', only)} or vector(0)",
                        "{{reason}}",
                    )
                ],
            ),
        ],
    )


def edge(only: str) -> Row:
    by = "service, kind"
    lookups = rate("warble_gateway_key_cache_total", "job", only)
    hits = rate("warble_gateway_key_cache_total", "job", f'{only}, outcome="hit"')
    return Row(
        "To the services",
        [
            Panel(
                "Failed calls",
                "Calls that a replica did not answer, by service and kind.",
                "ops",
                [
                    (
                        f"{rate('warble_gateway_upstream_errors_total', by, only)} or vector(0)",
                        legend(by),
                    )
                ],
                (0.1, 1),
                "instance-down",
            ),
            Panel(
                "Taken over by another replica",
                "Calls that failed at one replica and were answered by another: nobody noticed.",
                "ops",
                [
                    (
                        f"{rate('warble_gateway_retries_total', 'service', only)} or vector(0)",
                        "{{service}}",
                    )
                ],
                (0.1, 1),
                "instance-down",
            ),
            Panel(
                "Keys known without asking",
                "The share of lookups that the cache answers. It falls while the broker is away: "
                "then a key is believed for 5 s only.",
                "percentunit",
                [(f"{hits} / ({lookups} > 0)", "{{job}}")],
                (0.8, 0.5),
                "answers-are-slow",
            ),
        ],
    )


def own_writes(only: str) -> Row:
    waits = "warble_feed_own_writes_wait_seconds"
    every = rate(f"{waits}_count", "job", only)
    late = rate(f"{waits}_count", "job", f'{only}, outcome="late"')
    return Row(
        "One's own writes, read back",
        [
            Panel(
                "Reads that wait",
                "Reads that follow the reader's own write, by whether it arrived within a second.",
                "reqps",
                [(rate(f"{waits}_count", "outcome", only), "{{outcome}}")],
            ),
            Panel(
                "Wait, 95th percentile",
                "How long such a read is held. It is cut off at 1 s.",
                "s",
                [(quantile("0.95", waits, "job", only), "{{job}}")],
                (0.25, 0.9),
                "delivery-lags",
            ),
            Panel(
                "Answered too early",
                "The share of such reads that went out without the reader's own write.",
                "percentunit",
                [(f"({late} or 0 * {every}) / ({every} > 0)", "{{job}}")],
                (0.01, 0.1),
                "delivery-lags",
            ),
        ],
    )


def pages(only: str) -> Row:
    reads = "warble_feed_page_reads_total"
    every = rate(reads, "job", only)
    hits = rate(reads, "job", f'{only}, outcome="hit"')
    return Row(
        "First pages",
        [
            Panel(
                "First pages",
                "hit: at hand; made: put together from what is remembered, with the rest from the "
                "database; read: by the database alone. Most are not among the requests above.",
                "reqps",
                [(rate(reads, "outcome", only), "{{outcome}}")],
            ),
            Panel(
                "At hand",
                "The share of first pages that were there as they go out. Each of the page's "
                "looks for what is new is such a read, so most of them should be at hand.",
                "percentunit",
                [(f"{hits} / ({every} > 0)", "{{job}}")],
                (0.5, 0.2),
                "answers-are-slow",
            ),
        ],
    )
