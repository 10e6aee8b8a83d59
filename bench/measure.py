"""Measures what a request costs, relative to a hello request measured just before and after."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from . import stack
from .fixture import Fixture
from .load import Measurement, Request, RequestSource, always, closed_loop, open_loop, percentile
from .raw_http import encode_request
from .resource_usage import CpuMeter

CONNECTIONS = 16
_WARM_UP = 300
_MIN_CPU_SECONDS = 2e-6
"""Processes that use less CPU time per request are considered not involved."""


class UnexpectedResponses(Exception):
    """Responses had another status than expected, so the figure would be meaningless."""


class Round:
    """The cost of one series of requests."""

    def __init__(self, measured: Measurement, used: Mapping[str, float]) -> None:
        count = measured.answered
        self.by_process = {
            name: seconds / count * 1e6
            for name, seconds in used.items()
            if seconds / count > _MIN_CPU_SECONDS
        }
        self.total = sum(self.by_process.values())
        self.rate = measured.rate
        self.p50 = percentile(measured.all(), 0.5) * 1e3
        self.generator = measured.generator


async def hello(fixture: Fixture, rate: float | None = None) -> Round:
    """Measures hello with as many processes as a read of ours uses.

    They are busy, because idle ones cost more; with `rate`, they get so many requests a second.
    """
    urls = [server.url for server in fixture.hello]
    meter = CpuMeter({server.url: server.pid for server in fixture.hello})
    choose = always(Request(encode_request(urls[0], "/")))
    if rate is None:
        measured = await closed_loop(urls, choose, fixture.sizes.reads, CONNECTIONS)
    else:
        seconds = fixture.sizes.paced_seconds
        measured = await open_loop(urls, choose, rate, seconds, connections=CONNECTIONS)
    return Round(measured, meter.used())


async def add_paced_hello(fixture: Fixture, found: dict[str, Any]) -> None:
    """Adds the figure's cost relative to hello at the same number of requests a second.

    A process that sleeps between requests needs two to three times as much CPU time for each as a
    busy one. So what waits for the database is also compared with a hello that waits as often.
    """
    paced = (await hello(fixture, found["rate"])).total
    found["paced_hello_us"] = paced
    found["times_paced_hello"] = found["us"] / paced
    found["gateway_times_paced_hello"] = found["us_by_part"].get("gateway", 0.0) / paced


async def figure(
    fixture: Fixture,
    name: str,
    choose: RequestSource,
    count: int,
    *,
    connections: int = CONNECTIONS,
    before: Callable[[], Awaitable[None]] | None = None,
    everything: bool = False,
    rounds: int = 0,
) -> dict[str, Any]:
    """Medians over several rounds; each is compared with hello right before and after it.

    `before` is awaited before each request. With `everything`, all CPU time that a write causes in
    any process counts, until the feed has applied its events. The use of an idle system is
    subtracted. Raises UnexpectedResponses.
    """
    more = {} if before is None else {"before": before}
    await closed_loop(fixture.urls, choose, min(_WARM_UP, count), connections, **more)
    await hello(fixture)
    hellos = [await hello(fixture)]
    misses_before = await fixture.page_cache_misses()
    ours: list[Round] = []
    for _ in range(rounds or fixture.sizes.rounds):
        if everything:
            await fixture.settled()
        counted = (stack.pids if everything else stack.read_pids)(fixture.system)
        meter = CpuMeter(counted, {fixture.backend})
        measured = await closed_loop(fixture.urls, choose, count, connections, **more)
        if everything:
            await fixture.settled()
        used = meter.used(fixture.rest)
        if measured.failed:
            raise UnexpectedResponses(
                f"{name}: {measured.failed} of {count} responses had an unexpected status"
            )
        ours.append(Round(measured, used))
        hellos.append(await hello(fixture))
    found = _figures(ours, hellos)
    if before is not None:
        misses = await fixture.page_cache_misses() - misses_before
        found["rebuilt_share"] = misses / count / len(ours)
    fixture.say(
        f"{name}: {found['times_hello']:.2f} × hello, {found['rate']:,.0f}/s,"
        f" p50 {found['p50_ms']:.1f} ms"
    )
    return found


def _figures(ours: Sequence[Round], hellos: Sequence[Round]) -> dict[str, Any]:
    hello_totals = [(before.total + after.total) / 2 for before, after in pairwise(hellos)]
    processes = {name for round_ in ours for name in round_.by_process}
    hello_us = [round_.total for round_ in hellos]
    hello_rate = median(round_.rate for round_ in hellos)
    by_process = {
        name: median(round_.by_process.get(name, 0.0) for round_ in ours) for name in processes
    }
    rate = median(round_.rate for round_ in ours)
    return {
        "times_hello": median(
            round_.total / hello for round_, hello in zip(ours, hello_totals, strict=True)
        ),
        "gateway_times_hello": by_process.get("gateway", 0.0) / median(hello_us),
        "us": median(round_.total for round_ in ours),
        "us_by_part": dict(sorted(by_process.items(), key=lambda item: -item[1])),
        "hello_us": median(hello_us),
        "hello_moved": max(hello_us) / min(hello_us) - 1,
        "rate": rate,
        "hello_rate": hello_rate,
        "rate_of_hello": rate / hello_rate,
        "p50_ms": median(round_.p50 for round_ in ours),
        "hello_p50_ms": median(round_.p50 for round_ in hellos),
        "generator": max(round_.generator for round_ in (*ours, *hellos)),
    }
