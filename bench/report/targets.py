"""The performance targets and the measured values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Results = dict[str, Any]

COSTS = {
    "fresh": "home feed, page fresh",
    "unchanged": "home feed, unchanged (304)",
    "rebuilt": "home feed, page rebuilt",
    "database": "home feed, read by the database",
    "person": "a person's tweets",
    "own-profile": "one's own profile",
    "profile": "a person's profile",
    "profile-database": "a person's profile, read by the database",
    "people-search": "people found by name",
    "follow": "follow and unfollow, with all effects",
    "like": "like and unlike, with all effects",
    "post": "post, with all effects",
    "reply": "reply with a mention and a hashtag, with all effects",
    "conversations": "home feed with conversations, page fresh",
}
"""Names of the scenarios of `costs` in the report."""
FRESH = ("fresh", "unchanged", "person", "own-profile", "profile", "people-search", "conversations")
"""Those that a service answers from memory, so that all processes are busy."""
PACED = ("rebuilt", "follow", "like", "post", "reply")
"""Those that wait for the database, and are compared with a hello of the same rate too."""
GATEWAY_SHARE = 0.9
LIMITS = {
    "fresh": 2.0,
    "unchanged": 1.6,
    "rebuilt": 7.0,
    "person": 2.2,
    "profile": 2.5,
    "people-search": 5.0,
    "like": 15.0,
    "post": 18.0,
}
DELIVERY = {"p50": 30.0, "p99": 250.0}
OWN_WRITES = {"p50": 15.0, "p99": 100.0}
NOTICE = {"p50": 60.0, "p99": 300.0}
STREAM_KIB, NOTICE_US, BACK_SECONDS = 25.0, 40.0, 15.0
SEARCH_MS = 30.0
INDEXED_POST = 1.1
MEMORY_MIB = 650.0
THREAD = 4.0
REPLY = 1.3
GROWTH = {"tweets": 1.3, "followed": 2.0}


@dataclass(frozen=True)
class Target:
    name: str
    limit: float
    unit: str
    value: float

    @property
    def met(self) -> bool:
        return self.value <= self.limit

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The row in the table of targets."""
        digits = 0 if self.value >= 100 else 1 if self.unit == "ms" else 2
        return (
            self.name,
            f"{self.limit:g} {self.unit}",
            f"{self.value:.{digits}f} {self.unit}",
            "met" if self.met else "**missed**",
        )


def targets(results: Results) -> list[Target]:
    """The targets of the scenarios that have run."""
    return [
        *_costs(results),
        *_threads(results),
        *_growth(results),
        *_likes(results),
        *_waits(results),
        *_stream(results),
        *_search(results),
        *_memory(results),
    ]


def _costs(results: Results) -> Iterator[Target]:
    for part, limit in LIMITS.items():
        if part in results:
            yield Target(COSTS[part], limit, "× hello", results[part]["times_hello"])
    for kind, parts, figure, unit in (
        ("reads", FRESH, "gateway_times_hello", "× hello"),
        ("others", PACED, "gateway_times_paced_hello", "× hello at that rate"),
    ):
        shares = {COSTS[part]: results[part][figure] for part in parts if part in results}
        if shares:
            largest = max(shares, key=shares.__getitem__)
            name = f"the gateway's own share of {kind} (largest: {largest})"
            yield Target(name, GATEWAY_SHARE, unit, shares[largest])


def _threads(results: Results) -> Iterator[Target]:
    for name, one in results.get("threads", {}).items():
        yield Target(f"thread of 4,000 ({name})", THREAD, "× hello", one["times_hello"])
    if "reply" in results and "post" in results:
        value = results["reply"]["times_hello"] / results["post"]["times_hello"]
        yield Target("a reply with a mention and a hashtag, against a post", REPLY, "×", value)


def grown(first: Results, last: Results, figure: str) -> float:
    """The growth factor of a figure, each value relative to hello at that time."""
    beside = {"times_hello": None, "p50_ms": "hello_p50_ms"}[figure]

    def value(one: Results) -> float:
        return float(one[figure] / (one[beside] if beside else 1))

    return value(last) / value(first)


def _growth(results: Results) -> Iterator[Target]:
    for part, limit in GROWTH.items():
        sizes = list(results.get(part, {}))
        if len(sizes) < 2:
            continue
        first, last = results[part][sizes[0]], results[part][sizes[-1]]
        span = f"from {int(sizes[0]):,} to {int(sizes[-1]):,} {part}"
        for read in ("rebuilt", "database"):
            for figure, what in (("times_hello", "CPU"), ("p50_ms", "p50")):
                value = grown(first[read], last[read], figure)
                called = "page rebuilt" if read == "rebuilt" else "read by the database"
                yield Target(f"{span}, {called}: {what}", limit, "×", value)


def effects(one: Results) -> float:
    """A like with all its effects, while the followers' pages are cached, in × hello."""
    feed = sum(us for name, us in one["us_by_part"].items() if "feed-api" in name)
    extra = max(0.0, one["us_with_pages_at_hand"] - feed)
    return float(one["times_hello"] + extra / one["hello_us"])


def _likes(results: Results) -> Iterator[Target]:
    sizes = list(results.get("followers", {}))
    if len(sizes) < 2:
        return
    first, last = results["followers"][sizes[0]], results["followers"][sizes[-1]]
    span = f"a like, author with {int(sizes[-1]):,} followers against {int(sizes[0]):,}"
    yield Target(f"{span}: until the 200 (p50)", 1.5, "×", grown(first, last, "p50_ms"))
    yield Target(f"{span}: CPU, all effects", 3.0, "×", effects(last) / effects(first))


def _waits(results: Results) -> Iterator[Target]:
    if "delivery" in results:
        rate = results["delivery"]["rate"]
        for share, limit in DELIVERY.items():
            name = f"delivery lag at {rate} posts a second, {share}"
            yield Target(name, limit, "ms", results["delivery"]["lag"][share])
    if "own-writes" in results:
        for kind, name in (("alone", ""), ("beside_posts", ", beside others' posts")):
            for share, limit in OWN_WRITES.items():
                yield Target(
                    f"one's own write read back, extra wait{name}, {share}",
                    limit,
                    "ms",
                    results["own-writes"][kind]["extra"][share],
                )


STREAM_PROCESS = "notifications-stream-1"


def _stream(results: Results) -> Iterator[Target]:
    if "stream" not in results:
        return
    one = results["stream"]
    streams = f"with {one['streams']:,} open streams"
    rate = one["delivery"]["rate"]
    for share, limit in NOTICE.items():
        name = f"from a post to a follower's notice at {rate} posts a second, {streams}, {share}"
        yield Target(name, limit, "ms", one["delivery"]["delay"][share])
    kib = sum(one["bytes_by_part"].values()) / 1024
    yield Target("memory of an idle stream, gateway and service", STREAM_KIB, "KiB", kib)
    micros = one["delivery"]["us_by_part"][STREAM_PROCESS]
    yield Target("CPU of a delivery in the stream process", NOTICE_US, "µs", micros)
    for program, restart in one["restart"].items():
        name = f"all streams are back after a restart of {program}"
        yield Target(name, BACK_SECONDS, "s", restart["back"])


def _search(results: Results) -> Iterator[Target]:
    if "search" not in results:
        return
    one = results["search"]
    for words in ("common", "medium", "rare", "two words"):
        name = f"search among {one['tweets']:,} tweets, {words}, p95"
        yield Target(name, SEARCH_MS, "ms", one[words]["p95"])
    name = "a post with its words in the index, to one without"
    yield Target(name, INDEXED_POST, "×", one["indexed_post"])


def _memory(results: Results) -> Iterator[Target]:
    if memory := results.get("rest", {}).get("memory"):
        mib = sum(memory.values()) / 2**20
        yield Target("memory of all programs at rest", MEMORY_MIB, "MiB", mib)
