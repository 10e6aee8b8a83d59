"""The sections of the report, each from the scenario that measured it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from .targets import COSTS, Results, effects, targets

TAIL = ("p50", "p95", "p99", "p99.9")
_MAX_HELLO_CHANGE = 0.25
_MAX_GENERATOR_SHARE = 0.9
_MIN_REBUILT_SHARE = 0.98


def table(head: str, rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown. `head` has its titles, separated by `|`."""
    titles = head.split("|")
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _by_process(figure: Results) -> str:
    named = figure["us_by_part"].items()
    return ", ".join(f"{name} {micros:.0f}" for name, micros in named if micros >= 5)


def _times(figure: Results, name: str) -> str:
    return f"{figure[name]:.2f}" if name in figure else ""


def _costs_table(figures: Mapping[str, Results]) -> str:
    return table(
        "|× hello|at that rate|gateway × hello|at that rate|µs|µs by process|a second|of hello|p50",
        (
            (
                name,
                f"{one['times_hello']:.2f}",
                _times(one, "times_paced_hello"),
                f"{one['gateway_times_hello']:.2f}",
                _times(one, "gateway_times_paced_hello"),
                f"{one['us']:.0f}",
                _by_process(one),
                f"{one['rate']:,.0f}",
                f"{one['rate_of_hello']:.0%}",
                f"{one['p50_ms']:.1f} ms",
            )
            for name, one in figures.items()
        ),
    )


def _tails(of: Mapping[str, Results]) -> str:
    return table(
        "|measured|" + "|".join(TAIL),
        (
            (name, f"{one['count']:,}", *(f"{one[share]:.1f} ms" for share in TAIL))
            for name, one in of.items()
        ),
    )


def targets_table(results: Results) -> str:
    return table("|at most|measured|", (target.cells for target in targets(results)))


def costs(results: Results) -> str:
    figures = {name: results[part] for part, name in COSTS.items() if part in results}
    if not figures:
        return ""
    kilobytes = results["fresh"]["page_bytes"] / 1000 if "fresh" in results else 0
    page = f"The page has {kilobytes:.0f} kB. " if kilobytes else ""
    return (
        f"{page}Reads count the CPU time of the gateway, the services' api processes and "
        "PostgreSQL; writes count every process until the feed has applied the last event. The use "
        "of an idle system is subtracted. A page is *rebuilt* after a like for someone whom the "
        "reader follows; the readers take turns and follow nobody in common. *Read by the "
        "database* is the SQL statement behind it, without any cache. A process that sleeps "
        "between requests needs two to three times as much CPU time for each as a busy one. So "
        "what waits for the database is also compared with a hello *at that rate*, which gets as "
        "many requests a second.\n\n" + _costs_table(figures)
    )


def page(results: Results) -> str:
    if "page" not in results:
        return ""
    rows = [
        (
            name,
            *(f"{one[f'{what}_ms']:.0f} ms" for what in ("first_paint", "largest_paint", "tweets")),
            f"{one['shift']:.3f}",
            f"{one['bytes'] / 1000:.0f} kB",
            ", ".join(
                f"{kind} {size / 1000:.0f}"
                for kind, size in one["bytes_by_kind"].items()
                if size >= 500
            ),
        )
        for name, one in results["page"].items()
    ]
    return (
        "Home in Chromium, 390 × 844 pixels, signed in: 20 tweets, three of them with a picture. "
        "*Slow phone* is what Lighthouse assumes: 1.6 Mbit/s, 150 ms of latency, a "
        "processor that is four times slower. Bytes are those on the network. The shift is that of "
        "loading and of scrolling through the list (at most 0.1 is good).\n\n"
        + table("|first paint|largest paint|20 tweets|layout shift|bytes|kB by kind", rows)
    )


def threads(results: Results) -> str:
    if "threads" not in results:
        return ""
    return (
        "A page of 50 of a thread of 4,000 tweets: in a *chain* each replies to the one before, in "
        "a *star* all reply to the first.\n\n" + _costs_table(results["threads"])
    )


def mix(results: Results) -> str:
    if "mix" not in results:
        return ""
    one = results["mix"]
    return (
        f"On {one['graph']}: {one['people']:,} people, {one['follows']:,} follows. 60 % home feed, "
        "30 % a person's tweets, 10 % posting with up to 3 mentions and 2 pictures in 256 "
        f"characters; people uniform. {one['rate']:,.0f} requests a second, half of "
        f"{one['saturation']:,.0f}; {one['failed']} failed. Requests arrive at random, and the "
        "latency of each counts from the moment at which it was due (open loop).\n\n"
        + _tails(one["kinds"])
    )


def delivery(results: Results) -> str:
    text = ""
    if "delivery" in results:
        one = results["delivery"]
        text += (
            f"{one['rate']} posts a second by people of that graph. After each 201 the newest "
            "tweets of one follower are read every 5 ms until the tweet is among them; "
            f"{one['never']} did not appear within 10 s, {one['failed']} posts failed.\n\n"
            + _tails({"delivery lag": one["lag"], "the post itself": one["post"]})
        )
    if "own-writes" in results:
        own = results["own-writes"]
        text += (
            "\nReading one's own write: the latency of the read right after one's own post, minus "
            "the median latency of the same read after another person's change.\n\n"
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


def stream(results: Results) -> str:
    if "stream" not in results:
        return ""
    one = results["stream"]
    delivery, restarts = one["delivery"], one["restart"]
    by_part = ", ".join(
        f"{name} {bytes_each / 1024:.1f} KiB" for name, bytes_each in one["bytes_by_part"].items()
    )
    micros = ", ".join(f"{name} {us:.0f} µs" for name, us in delivery["us_by_part"].items())
    return (
        f"{one['streams']:,} event streams through the gateway, of the people of that graph, and"
        f" {delivery['rate']} posts a second. The delay is the time from sending the post until"
        f" the notice has arrived in each of the streams that get it: {delivery['delivered']:,}"
        f" notices, {one['lost']} missing, {one['twice']} twice.\n\n"
        + _tails({"from a post to a notice": delivery["delay"], "the post": delivery["post"]})
        + f"\nMemory of an idle stream: {by_part}. CPU time of a delivery (the gateway's contains"
        f" the posts): {micros}.\n\nAfter a restart, clients come back after a random time:\n\n"
        + table(
            "|open again|after|reads meanwhile, p99|usual p99|reads without a response",
            (
                (
                    name,
                    f"{restart['open']:,}",
                    f"{restart['back']:.1f} s",
                    f"{restart['meanwhile']['p99']:.1f} ms",
                    f"{restart['usual']['p99']:.1f} ms",
                    str(restart["unanswered"]),
                )
                for name, restart in restarts.items()
            ),
        )
    )


def search(results: Results) -> str:
    if "search" not in results:
        return ""
    one = results["search"]
    index, table = (round(one[name] / 1e6) for name in ("index_bytes", "table_bytes"))
    return (
        f"Searches one after another among {one['tweets']:,} tweets, about 70 % of them Russian and"
        " 25 % English, with the words of both languages as often as people use them (wordfreq)."
        f" The index of words has {index:,} MB, its table with the index"
        f" {table:,} MB; texts and index were written in {one['load_seconds']:.0f} s.\n\n"
        + _tails({name: one[name] for name in one if isinstance(one[name], dict)})
    )


def growth(results: Results) -> str:
    text = ""
    for part in ("tweets", "followed"):
        if part in results:
            rows = [
                (
                    f"{int(size):,} {part}",
                    f"{figures['page_bytes'] / 1000:.0f} kB",
                    *(
                        f"{figures[read]['times_hello']:.2f} ({figures[read]['p50_ms']:.1f} ms)"
                        for read in ("fresh", "rebuilt", "database")
                    ),
                )
                for size, figures in results[part].items()
            ]
            text += table("× hello (p50)|page|fresh|rebuilt|read by the database", rows) + "\n"
    return text and (
        "People, follows and tweets are written directly into the feed's tables, as its "
        "handlers would have written them.\n\n" + text
    )


def followers(results: Results) -> str:
    if "followers" not in results:
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
        for size, one in results["followers"].items()
    ]
    return (
        "Different people like tweets of an author with this number of followers in the feed's "
        "table. Measured separately: the CPU time of the feed's api for one like while the pages "
        "of the followers are cached.\n\n"
        + table("followers|until the 200|× hello|cached pages|feed's api then|with it", rows)
    )


def memory(results: Results) -> str:
    under_load = results.get("mix", {}).get("memory", {})
    rest = results["rest"]
    rows = [
        (
            name,
            f"{size / 2**20:.0f} MiB",
            f"{under_load[name] / 2**20:.0f} MiB" if name in under_load else "",
            f"{rest['cpu'].get(name, 0) * 1000:.1f} ms",
        )
        for name, size in sorted(rest["memory"].items())
    ]
    idle, loaded = (
        f"{sum(sizes.values()) / 2**20:,.0f} MiB" if sizes else ""
        for sizes in (rest["memory"], under_load)
    )
    rows.append(("all", idle, loaded, f"{sum(rest['cpu'].values()) * 1000:.1f} ms"))
    start = results["start"]
    again = (
        f", {start['again_seconds']:.0f} s at the next start" if "again_seconds" in start else ""
    )
    return (
        f"From `make up` to healthy: {start['first_seconds']:.0f} s with an empty folder{again}. "
        "Memory is the PSS of a process and its descendants; *under load* is in the middle of the "
        "mix.\n\n" + table("|idle|under load|CPU per second, idle", rows)
    )


def warnings(results: Results) -> list[str]:
    """Reasons to doubt figures, one sentence each."""
    messages = [
        f"The scenario `{name}` failed: {error}" for name, error in results["failed"].items()
    ]
    for name, one in _figures(results):
        if one.get("hello_moved", 0) > _MAX_HELLO_CHANGE:
            messages.append(f"{name}: hello itself moved by {one['hello_moved']:.0%}.")
        if one.get("rebuilt_share", 1) < _MIN_REBUILT_SHARE:
            messages.append(f"{name}: only {one['rebuilt_share']:.0%} of the pages were rebuilt.")
        if one.get("generator", 0) > _MAX_GENERATOR_SHARE:
            messages.append(
                f"{name}: the load generator used {one['generator']:.0%} of a processor."
            )
        if one.get("failed", 0):
            messages.append(
                f"{name}: {one['failed']} responses had an unexpected status{_statuses(one)}."
            )
    return messages


def _statuses(one: Results) -> str:
    counts = one.get("unexpected", {}).items()
    return f" ({', '.join(f'{count} of {status}' for status, count in counts)})" if counts else ""


def max_generator_share(results: Results) -> float:
    """The largest share of one processor that the load generator used in any scenario."""
    return max((one["generator"] for _, one in _figures(results) if "generator" in one), default=0)


def _figures(results: Results, name: str = "") -> Iterable[tuple[str, Results]]:
    for key, value in results.items():
        if isinstance(value, dict) and key not in ("failed", "machine"):
            path = f"{name}, {key}" if name else key
            yield path, value
            yield from _figures(value, path)


SECTIONS: dict[str, Callable[[Results], str]] = {
    "CPU time a request": costs,
    "The page in a browser": page,
    "The social-network mix": mix,
    "Delivery to followers": delivery,
    "Event streams": stream,
    "Threads": threads,
    "Search": search,
    "Growth": growth,
    "Likes of an author with many followers": followers,
    "Start, idle use and memory": memory,
}
