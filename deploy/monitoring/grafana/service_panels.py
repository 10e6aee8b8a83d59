"""Rows for one service only: media's store, the gateway's calls, the feed's pages and waits."""

from .panels import Panel, Row
from .promql import legend, quantile, rate


def storage(only: str) -> Row:
    return Row(
        "Pictures",
        [
            Panel(
                "Stored",
                "Bytes written to the object store per second.",
                "Bps",
                [(rate("warble_media_stored_bytes_total", "job", only), "{{job}}")],
            ),
            Panel(
                "Calls to the store",
                "By operation.",
                "ops",
                [
                    (
                        rate(
                            "warble_media_storage_request_duration_seconds_count", "operation", only
                        ),
                        "{{operation}}",
                    )
                ],
            ),
            Panel(
                "Duration of a call, 99th percentile",
                "A call times out after 12 s.",
                "s",
                [
                    (
                        quantile(
                            "0.99",
                            "warble_media_storage_request_duration_seconds",
                            "operation",
                            only,
                        ),
                        "{{operation}}",
                    )
                ],
                (1, 5),
                "answers-are-slow",
            ),
            Panel(
                "Rejected uploads",
                "Rejected uploads by reason: too large, not a picture, too many pixels.",
                "ops",
                [
                    (
                        rate("warble_media_uploads_refused_total", "reason", only)
                        + " or vector(0)",
                        "{{reason}}",
                    )
                ],
            ),
        ],
    )


def upstream_calls(only: str) -> Row:
    by = "service, kind"
    lookups = rate("warble_gateway_credential_cache_total", "job", only)
    hits = rate("warble_gateway_credential_cache_total", "job", f'{only}, outcome="hit"')
    return Row(
        "Calls to the services",
        [
            Panel(
                "Failed calls",
                "Calls that got no response from a replica, by service and kind.",
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
                "Retries at another replica",
                "Calls that failed at one replica and succeeded at another.",
                "ops",
                [
                    (
                        rate("warble_gateway_upstream_retries_total", "service", only)
                        + " or vector(0)",
                        "{{service}}",
                    )
                ],
                (0.1, 1),
                "instance-down",
            ),
            Panel(
                "Credential cache hits",
                "The share of lookups answered by the cache. It falls while the broker is "
                "unavailable, because keys are then cached for 5 s only.",
                "percentunit",
                [(f"{hits} / ({lookups} > 0)", "{{job}}")],
                (0.8, 0.5),
                "answers-are-slow",
            ),
        ],
    )


def read_your_writes(only: str) -> Row:
    waits = "warble_feed_own_writes_wait_seconds"
    every = rate(f"{waits}_count", "job", only)
    late = rate(f"{waits}_count", "job", f'{only}, outcome="late"')
    return Row(
        "Reading one's own writes",
        [
            Panel(
                "Waiting reads",
                "Reads after the reader's own write, by whether its event arrived within a second.",
                "reqps",
                [(rate(f"{waits}_count", "outcome", only), "{{outcome}}")],
            ),
            Panel(
                "Wait, 95th percentile",
                "How long such a read is delayed, 1 s at most.",
                "s",
                [(quantile("0.95", waits, "job", only), "{{job}}")],
                (0.25, 0.9),
                "delivery-lags",
            ),
            Panel(
                "Stale responses",
                "The share of such reads whose response lacks the reader's own write.",
                "percentunit",
                [(f"({late} or 0 * {every}) / ({every} > 0)", "{{job}}")],
                (0.01, 0.1),
                "delivery-lags",
            ),
        ],
    )


def pages(only: str) -> Row:
    reads = "warble_feed_page_cache_total"
    every = rate(reads, "job", only)
    hits = rate(reads, "job", f'{only}, result="hit"')
    return Row(
        "First pages",
        [
            Panel(
                "First pages",
                "hit: from the cache; assembled: from cached fragments, with the missing ones from "
                "the database; miss: from the database alone. Most are not among the requests "
                "above.",
                "reqps",
                [(rate(reads, "result", only), "{{result}}")],
            ),
            Panel(
                "Cache hits",
                "The share of first pages that come from the cache. The web page's checks for new "
                "tweets are such reads, so most of them should be hits.",
                "percentunit",
                [(f"{hits} / ({every} > 0)", "{{job}}")],
                (0.5, 0.2),
                "answers-are-slow",
            ),
        ],
    )
