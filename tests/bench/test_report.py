from copy import deepcopy
from typing import Any

import pytest

from bench.report import drift, readme, rendered, targets
from bench.report.sections import warnings

FIGURE = {
    "times_hello": 1.9,
    "gateway_times_hello": 1.2,
    "us": 600.0,
    "us_by_part": {"gateway": 300.0, "feed-api-1": 280.0, "postgres": 20.0},
    "hello_us": 250.0,
    "hello_moved": 0.1,
    "rate": 1500.0,
    "hello_rate": 6000.0,
    "rate_of_hello": 0.25,
    "p50_ms": 8.0,
    "hello_p50_ms": 2.0,
    "generator": 0.3,
}
RESULTS: dict[str, Any] = {
    "machine": {"date": "2026-11-01", "processors": "2", "python": "3.11", "commit": "abc"},
    "start": {"first_seconds": 20.0},
    "rest": {"cpu": {"gateway": 0.001}, "memory": {"gateway": 80_000_000}},
    "failed": {},
    "fresh": {"page_bytes": 12_000, **FIGURE},
    "tweets": {
        size: {"page_bytes": 12_000, "fresh": FIGURE, "rebuilt": FIGURE, "database": figure}
        for size, figure in (("10000", FIGURE), ("1000000", {**FIGURE, "times_hello": 4.8}))
    },
}


def test_a_target_is_missed_by_what_is_above_it() -> None:
    met = {target.name: target.met for target in targets.targets(RESULTS)}

    assert met["home feed, page fresh"]
    assert not met["the gateway's own share of reads (largest: home feed, page fresh)"]
    assert met["from 10,000 to 1,000,000 tweets, page rebuilt: CPU"]
    assert not met["from 10,000 to 1,000,000 tweets, read by the database: CPU"]


def test_the_report_contains_only_the_scenarios_that_have_run() -> None:
    text = rendered(RESULTS)

    assert "## Growth" in text
    assert "## The social-network mix" not in text


def test_doubtful_figures_are_reported() -> None:
    results = deepcopy(RESULTS)
    results["fresh"] |= {"hello_moved": 0.3, "generator": 0.95, "rebuilt_share": 0.5}
    results["failed"]["mix"] = "TimeoutError: no answer"

    messages = warnings(results)

    assert messages == [
        "The scenario `mix` failed: TimeoutError: no answer",
        "fresh: hello itself moved by 30%.",
        "fresh: only 50% of the pages were rebuilt.",
        "fresh: the load generator used 95% of a processor.",
    ]
    assert warnings(RESULTS) == []


def test_the_readme_changes_only_between_its_markers() -> None:
    page = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n"

    once = readme.with_figures(page, RESULTS)

    assert once.startswith("before\n") and once.endswith("\nafter\n") and "old" not in once
    assert "| home feed, page fresh | 2 × hello | 1.90 × hello | met |" in once
    assert readme.with_figures(once, RESULTS) == once
    with pytest.raises(ValueError, match="lacks the markers"):
        readme.with_figures("no marks", RESULTS)


def test_the_committed_report_is_up_to_date_with_the_results() -> None:
    assert drift() == []


def test_the_page_is_reported_by_network_and_visit() -> None:
    visit = {
        "first_paint_ms": 530.4,
        "largest_paint_ms": 1004.0,
        "tweets_ms": 968.0,
        "shift": 0.0123,
        "bytes": 258_000,
        "bytes_by_kind": {"script": 46_000, "other": 100},
    }

    text = rendered({**RESULTS, "page": {"slow phone, again": visit}})

    row = "| slow phone, again | 530 ms | 1004 ms | 968 ms | 0.012 | 258 kB | script 46 |"
    assert row in text
