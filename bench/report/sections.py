"""The chapters of the report, each from the part that measured it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from .targets import COSTS, Found, effects, targets

TAIL = ("p50", "p95", "p99", "p99.9")
_NOISY = 0.25
_BUSY = 0.9
_MADE = 0.98


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _parts(figure: Found) -> str:
    named = figure["us_by_part"].items()
    return ", ".join(f"{name} {micros:.0f}" for name, micros in named if micros >= 5)


def _costs_table(figures: Mapping[str, Found], *, gateway: bool = True) -> str:
    of_gateway = ["gateway × hello"] if gateway else []
    head = ["", "× hello", *of_gateway, "µs", "µs by process", "a second", "of hello's", "p50"]
    return table(
        head,
        (
            (
                name,
                f"{one['times_hello']:.2f}",
                *([f"{one['gateway_times_hello']:.2f}"] if gateway else []),
                f"{one['us']:.0f}",
                _parts(one),
                f"{one['rate']:,.0f}",
                f"{one['rate_of_hello']:.0%}",
                f"{one['p50_ms']:.1f} ms",
            )
            for name, one in figures.items()
        ),
    )


def _tails(of: Mapping[str, Found]) -> str:
    return table(
        ("", "measured", *TAIL),
        (
            (name, f"{one['count']:,}", *(f"{one[share]:.1f} ms" for share in TAIL))
            for name, one in of.items()
        ),
    )


def reached(found: Found) -> str:
    rows = [target.shown for target in targets(found)]
    return table(("", "at most", "measured", ""), rows)


def costs(found: Found) -> str:
    figures = {name: found[part] for part, name in COSTS.items() if part in found}
    if not figures:
        return ""
    kilobytes = found["fresh"]["page_bytes"] / 1000 if "fresh" in found else 0
    page = f"The page has {kilobytes:.0f} kB. " if kilobytes else ""
    return (
        f"{page}Reads count the gateway, the services' apis and PostgreSQL; writes count every "
        "process until the last event has had its effect in the feed. What the processes take at "
        "rest is left out. "
        "A page is *rebuilt* after a like for somebody whom the reader follows, by readers in turn "
        "who follow nobody in common; *read by the database* is the statement behind it, with "
        "nothing remembered.\n\n" + _costs_table(figures)
    )


def floor(found: Found) -> str:
    if "floor" not in found:
        return ""
    return (
        "Plain ASGI applications with no identity, errors, time-outs, logs or metrics, which send "
        "a page as long as ours: one process, and two with a kept connection between them.\n\n"
        + _costs_table(found["floor"], gateway=False)
    )


def waits(found: Found) -> str:
    if "waits" not in found:
        return ""
    of = found["waits"]
    rates = ", ".join(f"{name} {one['rate']:,.0f}" for name, one in of.items())
    return (
        "Requests arrive at random, each counts from when it was due. A second, half of what the "
        f"closed loop found: {rates}. A p99.9 of fewer than a few thousand says little.\n\n"
        + _tails(of)
    )


def mix(found: Found) -> str:
    if "mix" not in found:
        return ""
    one = found["mix"]
    return (
        f"On {one['graph']}: {one['people']:,} people, {one['follows']:,} follows. 60 % home feed, "
        "30 % a person's tweets, 10 % posting with up to 3 mentions and 2 pictures in 256 "
        f"characters; people uniform. {one['rate']:,.0f} requests a second, half of "
        f"{one['saturation']:,.0f}; {one['failed']} failed.\n\n" + _tails(one["kinds"])
    )


def delivery(found: Found) -> str:
    text = ""
    if "delivery" in found:
        one = found["delivery"]
        text += (
            f"{one['rate']} posts a second by people of that graph. After each 201 the newest "
            "tweets of one follower are read every 5 ms until the tweet is among them; "
            f"{one['never']} were not there in 10 s, {one['failed']} posts failed.\n\n"
            + _tails({"delivery lag": one["lag"], "the post itself": one["post"]})
        )
    if "own-writes" in found:
        own = found["own-writes"]
        text += (
            "\nOne's own write, read back: the read right after one's own post, less the median "
            "of the same read after somebody else's change.\n\n"
            + _tails(
                {
                    f"{name}{what}": own[kind][series]
                    for kind, name in (("alone", ""), ("beside_posts", "beside others' posts, "))
                    for series, what in (
                        ("extra", "extra wait"),
                        ("after", "the read after it"),
                        ("without", "the read without"),
                    )
                }
            )
        )
    return text


def growth(found: Found) -> str:
    text = ""
    for part, more in (("tweets", "tweets"), ("followed", "followed"), ("likes", "likes a tweet")):
        if part in found:
            rows = [
                (
                    f"{int(size):,} {more}",
                    f"{figures['page_bytes'] / 1000:.0f} kB",
                    *(
                        f"{figures[read]['times_hello']:.2f} ({figures[read]['p50_ms']:.1f} ms)"
                        for read in ("fresh", "rebuilt", "database")
                    ),
                )
                for size, figures in found[part].items()
            ]
            head = ("× hello (p50)", "page", "fresh", "rebuilt", "read by the database")
            text += table(head, rows) + "\n"
    return text and (
        "People, follows, tweets and likes are written into the feed's tables as its handlers "
        "would have left them; nothing of this goes by HTTP or through the broker.\n\n" + text
    )


def followers(found: Found) -> str:
    if "followers" not in found:
        return ""
    rows = [
        (
            f"{int(size):,}",
            f"{one['p50_ms']:.1f} ms",
            f"{one['times_hello']:.2f}",
            f"{one['pages_at_hand']:,}",
            f"{one['us_with_pages_at_hand']:,.0f} µs",
            f"{effects(one):.2f}",
        )
        for size, one in found["followers"].items()
    ]
    return (
        "Different people like tweets of an author with so many followers (in the feed's table). "
        "Apart from that, what one like takes of the feed's api while pages of so many followers "
        "are at hand, each made by a read before.\n\n"
        + table(
            (
                "followers",
                "until the 200",
                "× hello",
                "pages at hand",
                "feed's api then",
                "with it",
            ),
            rows,
        )
    )


def memory(found: Found) -> str:
    held = found.get("mix", {}).get("memory", {})
    rest = found["rest"]
    rows = [
        (
            name,
            f"{size / 2**20:.0f} MiB",
            f"{held[name] / 2**20:.0f} MiB" if name in held else "",
            f"{rest['cpu'].get(name, 0) * 1000:.1f} ms",
        )
        for name, size in sorted(rest["memory"].items())
    ]
    start = found["start"]
    again = f", {start['again_seconds']:.0f} s once more" if "again_seconds" in start else ""
    return (
        f"From `make up` to healthy: {start['first_seconds']:.0f} s from nothing{again}. Memory is "
        "PSS, of a process and all that it started; at load is in the middle of the mix.\n\n"
        + table(("", "at rest", "at load", "CPU a second at rest"), rows)
    )


def replicas(found: Found) -> str:
    if "replicas" not in found:
        return ""
    rows = [
        (count, *(f"{one[read]['rate']:,.0f}" for read in ("fresh", "database")))
        for count, one in found["replicas"].items()
    ]
    return (
        "Requests a second by so many replicas of the feed's api, closed loop. The gateway, the "
        "database and the load itself share the machine's processors with them.\n\n"
        + table(("replicas", "page fresh", "read by the database"), rows)
    )


def profile(found: Found) -> str:
    if "profile" not in found:
        return ""
    return (
        "A gateway and a replica of the feed are interrupted by a timer of their own CPU time. "
        "Each sample counts for the innermost function of ours, whose calls of others' code are "
        "its own; what a read costs the process is divided by these counts.\n\n"
        + "".join(
            f"{process}:\n\n"
            + table(
                ("step", "µs"), ((f"`{step}`", f"{micros:.1f}") for step, micros in steps.items())
            )
            + "\n"
            for process, steps in found["profile"].items()
        )
    )


def warnings(found: Found) -> list[str]:
    """What makes figures doubtful, a sentence each."""
    told = [f"The part `{name}` failed: {error}" for name, error in found["failed"].items()]
    for name, one in _figures(found):
        if one.get("hello_moved", 0) > _NOISY:
            told.append(f"{name}: hello itself moved by {one['hello_moved']:.0%}.")
        if one.get("made", 1) < _MADE:
            told.append(f"{name}: only {one['made']:.0%} of the pages were made anew.")
        if one.get("generator", 0) > _BUSY:
            told.append(f"{name}: asking took {one['generator']:.0%} of a processor.")
        if one.get("failed", 0):
            told.append(f"{name}: {one['failed']} answers were not as expected{_statuses(one)}.")
    return told


def _statuses(one: Found) -> str:
    counts = one.get("unexpected", {}).items()
    return f" ({', '.join(f'{count} of {status}' for status, count in counts)})" if counts else ""


def generators(found: Found) -> float:
    """The greatest share of a processor that asking took anywhere."""
    return max((one["generator"] for _, one in _figures(found) if "generator" in one), default=0)


def _figures(found: Found, name: str = "") -> Iterable[tuple[str, Found]]:
    for key, value in found.items():
        if isinstance(value, dict) and key not in ("failed", "machine"):
            path = f"{name}, {key}" if name else key
            yield path, value
            yield from _figures(value, path)


SECTIONS: dict[str, tuple[Callable[[Found], str], tuple[str, ...]]] = {
    "CPU time a request": (costs, ("costs", "writes")),
    "The floor": (floor, ("floor",)),
    "Where a feed read spends it": (profile, ("profile",)),
    "Waiting": (waits, ("waits",)),
    "The social-network mix": (mix, ("mix",)),
    "On the way to the readers": (delivery, ("delivery",)),
    "Growth": (growth, ("growth",)),
    "Liking somebody whom many follow": (followers, ("followers",)),
    "Start, rest and memory": (memory, ()),
    "Replicas of the feed": (replicas, ()),
}
"""Each with its pictures."""
