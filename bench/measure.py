"""One figure: what a request costs, between two looks at what the yardstick costs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from . import stack
from .accounting import Meter
from .load import Ask, Choose, Measured, always, closed, percentile
from .scene import Scene
from .wire import request

CONNECTIONS = 16
_WARM_UP = 300
_LEAST = 2e-6
"""CPU seconds a request below which a part had nothing to do with it."""


class Unexpected(Exception):
    """Answers that were not as they should be: what was measured is something else."""


class Turn:
    """What one series of requests took."""

    def __init__(self, measured: Measured, used: Mapping[str, float]) -> None:
        count = measured.answered
        self.by_part = {
            name: seconds / count * 1e6
            for name, seconds in used.items()
            if seconds / count > _LEAST
        }
        self.total = sum(self.by_part.values())
        self.rate = measured.rate
        self.p50 = percentile(measured.all(), 0.5) * 1e3
        self.generator = measured.generator


async def hello(scene: Scene) -> Turn:
    """The yardstick, busy: as many processes as a read of ours takes. A pause would cost more."""
    urls = [server.url for server in scene.hello]
    meter = Meter({server.url: server.pid for server in scene.hello})
    ask = Ask(request(urls[0], "/"))
    measured = await closed(urls, always(ask), scene.sizes.reads, CONNECTIONS)
    return Turn(measured, meter.used())


async def figure(
    scene: Scene,
    name: str,
    choose: Choose,
    count: int,
    *,
    connections: int = CONNECTIONS,
    before: Callable[[], Awaitable[None]] | None = None,
    everything: bool = False,
    groups: Mapping[str, int] | None = None,
    urls: Sequence[str] = (),
    turns: int = 0,
) -> dict[str, Any]:
    """Medians over the turns, each turn beside the yardstick right before and after it.

    `before` is awaited before each request. `everything` counts all that a
    write causes, in every process, until it has had its effect. What the processes take at rest
    is left out. Raises Unexpected.
    """
    more = {} if before is None else {"before": before}
    urls = urls or scene.urls
    await closed(urls, choose, min(_WARM_UP, count), connections, **more)
    await hello(scene)
    yardsticks = [await hello(scene)]
    made_before = await scene.pages_not_at_hand()
    ours: list[Turn] = []
    for _ in range(turns or scene.sizes.turns):
        if everything:
            await scene.settled()
        counted = groups or (stack.pids if everything else stack.readers)(scene.system)
        meter = Meter(counted, {scene.backend})
        measured = await closed(urls, choose, count, connections, **more)
        if everything:
            await scene.settled()
        used = meter.used(scene.rest)
        if measured.failed:
            raise Unexpected(f"{name}: {measured.failed} of {count} answers were not as expected")
        ours.append(Turn(measured, used))
        yardsticks.append(await hello(scene))
    found = _compared(ours, yardsticks)
    if before is not None:
        made = await scene.pages_not_at_hand() - made_before
        found["made"] = made / count / len(ours)
    scene.say(
        f"{name}: {found['times_hello']:.2f} × hello, {found['rate']:,.0f}/s,"
        f" p50 {found['p50_ms']:.1f} ms"
    )
    return found


def _compared(ours: Sequence[Turn], yardsticks: Sequence[Turn]) -> dict[str, Any]:
    beside = [(before.total + after.total) / 2 for before, after in pairwise(yardsticks)]
    parts = {name for turn in ours for name in turn.by_part}
    hello_us = [turn.total for turn in yardsticks]
    hello_rate = median(turn.rate for turn in yardsticks)
    by_part = {name: median(turn.by_part.get(name, 0.0) for turn in ours) for name in parts}
    rate = median(turn.rate for turn in ours)
    return {
        "times_hello": median(turn.total / hello for turn, hello in zip(ours, beside, strict=True)),
        "gateway_times_hello": by_part.get("gateway", 0.0) / median(hello_us),
        "us": median(turn.total for turn in ours),
        "us_by_part": dict(sorted(by_part.items(), key=lambda item: -item[1])),
        "hello_us": median(hello_us),
        "hello_moved": max(hello_us) / min(hello_us) - 1,
        "rate": rate,
        "hello_rate": hello_rate,
        "rate_of_hello": rate / hello_rate,
        "p50_ms": median(turn.p50 for turn in ours),
        "hello_p50_ms": median(turn.p50 for turn in yardsticks),
        "generator": max(turn.generator for turn in (*ours, *yardsticks)),
    }
