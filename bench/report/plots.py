"""The three charts of the report, by file name."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from .charts import Bar, Curves, Target, bars, curves
from .targets import COSTS, DELIVERY, GROWTH, LIMITS, OWN_WRITES, Found

_ROLES = ("gateway", "api of a service", "PostgreSQL", "workers", "broker", "other")
_TAIL = ("p50", "p75", "p90", "p95", "p99", "p99.9")


def _role(process: str) -> str:
    for substring, role in (
        ("gateway", "gateway"),
        ("-api-", "api of a service"),
        ("postgres", "PostgreSQL"),
        ("-worker", "workers"),
        ("rabbitmq", "broker"),
    ):
        if substring in process:
            return role
    return "other"


def by_role(figure: Found) -> dict[str, float]:
    """CPU time in × hello, by the role of the process."""
    sums: defaultdict[str, float] = defaultdict(float)
    for process, micros in figure["us_by_part"].items():
        sums[_role(process)] += micros
    total = sum(sums.values()) or 1
    # The medians of the processes do not add up to the median of the total: scale them to it.
    return {role: sums[role] / total * figure["times_hello"] for role in _ROLES if role in sums}


def costs(found: Found) -> str | None:
    chart_bars = [
        Bar(name, by_role(found[part]), LIMITS.get(part))
        for part, name in COSTS.items()
        if part in found and part not in ("like", "post")
    ]
    return bars("CPU time of a read", "× hello, all processes", chart_bars) if chart_bars else None


def _tails(panel: str, of: Mapping[str, Mapping[str, float]], targets: list[Target]) -> Curves:
    series = {name: {mark: one[mark] for mark in _TAIL} for name, one in of.items()}
    return Curves(panel, "percentile", "ms", _TAIL, series, targets, logarithmic=True)


def delivery(found: Found) -> str | None:
    panels = []
    if "delivery" in found:
        of = {"from the 201 to a follower's feed": found["delivery"]["lag"]}
        panels.append(_tails("delivery,", of, _limits(DELIVERY)))
    if "own-writes" in found:
        own = found["own-writes"]
        of = {
            "own write read back": own["alone"]["extra"],
            "beside others' posts": own["beside_posts"]["extra"],
        }
        panels.append(_tails("extra wait,", of, _limits(OWN_WRITES)))
    return curves("A tweet's way to its readers", panels) if panels else None


def _limits(limits: Mapping[str, float]) -> list[Target]:
    return [Target(level, mark, mark, f"{level:g}") for mark, level in limits.items()]


_READS = {
    "fresh": "page fresh",
    "rebuilt": "page rebuilt",
    "database": "read by the database",
}


def growth(found: Found) -> str | None:
    panels = []
    for part, axis in (
        ("tweets", "tweets in the feed"),
        ("followed", "people followed"),
        ("likes", "likes on each tweet shown"),
    ):
        if part not in found:
            continue
        sizes = found[part]
        marks = [f"{int(size):,}" for size in sizes]
        series = {
            name: {
                mark: figures[read]["times_hello"]
                for mark, figures in zip(marks, sizes.values(), strict=True)
            }
            for read, name in _READS.items()
        }
        limits = []
        if part in GROWTH:
            level = next(iter(series["page rebuilt"].values())) * GROWTH[part]
            name = f"rebuilt: {GROWTH[part]:g} × the first"
            limits = [Target(level, marks[0], marks[-1], name)]
        panels.append(Curves("CPU,", axis, "× hello", marks, series, limits))
    return curves("The same read with more of something", panels) if panels else None


PLOTS: dict[str, Callable[[Found], str | None]] = {
    "costs": costs,
    "delivery": delivery,
    "growth": growth,
}
