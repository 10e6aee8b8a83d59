"""The pictures of the report, by file name."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from .charts import Bar, Curves, Target, bars, curves
from .targets import COSTS, DELIVERY, GROWTH, LIMITS, OWN_WRITES, Found, effects

_PARTS = ("gateway", "api of a service", "PostgreSQL", "workers", "broker", "other")
_TAIL = ("p50", "p75", "p90", "p95", "p99", "p99.9")


def _role(process: str) -> str:
    for sign, role in (
        ("gateway", "gateway"),
        ("-api-", "api of a service"),
        ("postgres", "PostgreSQL"),
        ("-worker", "workers"),
        ("rabbitmq", "broker"),
        ("front", "gateway"),
        ("back", "api of a service"),
    ):
        if sign in process:
            return role
    return "other"


def by_role(figure: Found) -> dict[str, float]:
    """× hello by what a process is."""
    sums: defaultdict[str, float] = defaultdict(float)
    for process, micros in figure["us_by_part"].items():
        sums[_role(process)] += micros
    whole = sum(sums.values()) or 1
    # The parts are medians of their own; drawn to the length of the median of the whole.
    return {role: sums[role] / whole * figure["times_hello"] for role in _PARTS if role in sums}


def costs(found: Found) -> str | None:
    shown = [
        Bar(name, by_role(found[part]), LIMITS.get(part))
        for part, name in COSTS.items()
        if part in found and part not in ("like", "post")
    ]
    return bars("CPU time of a read", "× hello, all processes", shown) if shown else None


def writes(found: Found) -> str | None:
    shown = [
        Bar(COSTS[part], by_role(found[part]), LIMITS.get(part))
        for part in ("like", "post")
        if part in found
    ]
    return bars("CPU time of a write, all effects", "× hello", shown, 1) if shown else None


def floor(found: Found) -> str | None:
    if "floor" not in found:
        return None
    shown = [Bar(name, by_role(figure)) for name, figure in found["floor"].items()]
    shown += [Bar(COSTS[part], by_role(found[part])) for part in ("fresh",) if part in found]
    return bars("The floor, and the home feed above it", "× hello", shown)


def _tails(panel: str, of: Mapping[str, Mapping[str, float]], targets: list[Target]) -> Curves:
    series = {name: {mark: one[mark] for mark in _TAIL} for name, one in of.items()}
    return Curves(panel, "percentile", "ms", _TAIL, series, targets, logarithmic=True)


def waits(found: Found) -> str | None:
    if "waits" not in found:
        return None
    title = "Waiting at half of what can be served, open loop"
    return curves(title, [_tails("latency,", found["waits"], [])])


def mix(found: Found) -> str | None:
    if "mix" not in found:
        return None
    title = f"The social-network mix, {found['mix']['rate']:,.0f} requests a second"
    return curves(title, [_tails("latency,", found["mix"]["kinds"], [])])


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


def followers(found: Found) -> str | None:
    if "followers" not in found:
        return None
    sizes = found["followers"]
    marks = [f"{int(size):,}" for size in sizes]
    cpu = dict(zip(marks, map(effects, sizes.values()), strict=True))
    until = {mark: one["p50_ms"] for mark, one in zip(marks, sizes.values(), strict=True)}
    axis = "followers of the author"
    first, last = marks[0], marks[-1]
    return curves(
        "A like of a tweet",
        [
            Curves(
                "CPU,", axis, "× hello", marks, {"all effects": cpu},
                [Target(cpu[first] * 3, first, last, "3 × the first")],
            ),
            Curves(
                "p50,", axis, "ms", marks, {"until the 200": until},
                [Target(until[first] * 1.5, first, last, "1.5 × the first")],
            ),
        ],
    )  # fmt: skip


def profile(found: Found) -> str | None:
    if "profile" not in found:
        return None
    shown = [
        Bar(step.rpartition("/")[2], {process: micros})
        for process, steps in found["profile"].items()
        for step, micros in steps.items()
    ]
    return bars("One feed read, page fresh, step by step", "µs of CPU time a request", shown, 1)


PLOTS: dict[str, Callable[[Found], str | None]] = {
    "costs": costs,
    "writes": writes,
    "floor": floor,
    "waits": waits,
    "mix": mix,
    "delivery": delivery,
    "growth": growth,
    "followers": followers,
    "profile": profile,
}
