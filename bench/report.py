"""The figures as a page to read."""

from typing import Any

TARGETS = {
    "feed, page fresh": 2.5,
    "feed, unchanged (304)": 2.0,
    "feed, page rebuilt": 8.0,
    "post": 25.0,
}

_HEAD = """# What it costs

Written by `make bench`. Every figure stands beside *hello*, measured in the same minute: a bare
FastAPI application under the same server that answers `{{"result": true}}`. CPU time is that of all
processes that take part (gateway, services, database, broker), as the operating system counts it.

{machine}

"""
_COLUMNS = """| | × hello | target | µs by part | of hello's rate |
|---|---|---|---|---|
"""


def text(found: dict[str, Any]) -> str:
    machine = "\n".join(f"- {name}: {value}" for name, value in found["machine"].items())
    rows = [_row(name, figures) for name, figures in found["costs"].items()]
    waits = found["waits"]
    return (
        _HEAD.format(machine=machine)
        + f"The page has {found['page_bytes'] / 1000:.0f} kB.\n\n"
        + _COLUMNS
        + "\n".join(rows)
        + "\n\n## Waiting\n\n"
        + f"Requests arrive at random, {waits['rate']:.0f} a second, half of what can be served; "
        + "each counts from when it was due.\n\n| p50 | p99 | p99.9 |\n|---|---|---|\n"
        + f"| {waits['p50_ms']:.1f} ms | {waits['p99_ms']:.1f} ms | {waits['p99.9_ms']:.1f} ms |\n"
    )


def _row(name: str, figures: dict[str, Any]) -> str:
    parts = ", ".join(
        f"{part} {micros:.0f}"
        for part, micros in sorted(figures["us_by_part"].items(), key=lambda item: -item[1])
        if micros >= 5
    )
    target = f"{TARGETS[name]:.1f}" if name in TARGETS else ""
    return (
        f"| {name} | {figures['times_hello']:.2f} | {target} | {parts}"
        f" | {figures['rate_of_hello']:.0%} |"
    )
