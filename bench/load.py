"""Many who ask at once.

The closed loop asks again as soon as it is answered: it finds out how much can be served. The open
loop asks when a request is due, whether the last is answered or not, and counts from when it was
due: it finds out how long somebody waits (Tene's coordinated omission).
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .wire import Connection, connect


class Ask(NamedTuple):
    """A request as it goes over the wire, the status of a good answer, and a kind to file it by."""

    raw: bytes
    status: int = 200
    kind: str = ""


Choose = Callable[[], Ask]
"""Gives the next request."""


def always(ask: Ask) -> Choose:
    return lambda: ask


@dataclass
class Measured:
    seconds: float = 0.0
    latencies: dict[str, list[float]] = field(default_factory=dict)
    """In seconds, by kind."""
    unexpected: dict[int, list[float]] = field(default_factory=dict)
    """As `latencies`, of answers that were not as they should be, by status; 0 for none at all."""
    generator: float = 0.0
    """The share of one processor that asking itself took."""

    def note(self, ask: Ask, status: int, latency: float) -> None:
        self.latencies.setdefault(ask.kind, []).append(latency)
        if status != ask.status:
            self.unexpected.setdefault(status, []).append(latency)

    @property
    def failed(self) -> int:
        return sum(map(len, self.unexpected.values()))

    @property
    def answered(self) -> int:
        return sum(map(len, self.latencies.values()))

    @property
    def done(self) -> float:
        """Good answers a second."""
        return (self.answered - self.failed) / self.seconds

    @property
    def rate(self) -> float:
        return self.answered / self.seconds if self.seconds else 0.0

    def all(self) -> list[float]:
        return [latency for kind in self.latencies.values() for latency in kind]


def percentile(seconds: Sequence[float], share: float) -> float:
    """The value that this share of all are not above; 0 of none."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


CURVE = (1, 5, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.9)


def distribution(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds by percentile, and of how many."""
    return {
        "count": len(seconds),
        **{f"p{share}": percentile(seconds, share / 100) * 1e3 for share in CURVE},
    }


class _Clock:
    def __init__(self) -> None:
        self.begun, self._used = time.perf_counter(), time.process_time()

    def stop(self, measured: Measured) -> None:
        measured.seconds = time.perf_counter() - self.begun
        measured.generator = (time.process_time() - self._used) / measured.seconds


async def _nothing() -> None:
    pass


async def closed(
    urls: Sequence[str],
    choose: Choose,
    count: int,
    connections: int = 16,
    before: Callable[[], Awaitable[None]] = _nothing,
) -> Measured:
    """`count` requests in all, by so many who each wait for their answer, spread over the servers.

    `before` is awaited before each request, and counts for no latency.
    """
    left = count
    measured = Measured()

    async def one(connection: Connection) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await before()
            ask = choose()
            begun = time.perf_counter()
            status = await connection.ask(ask.raw)
            measured.note(ask, status, time.perf_counter() - begun)

    opened = [await connect(urls[number % len(urls)]) for number in range(connections)]
    clock = _Clock()
    try:
        await asyncio.gather(*map(one, opened))
        clock.stop(measured)
    finally:
        for connection in opened:
            connection.close()
    return measured


async def opened(
    urls: Sequence[str],
    choose: Choose,
    rate: float,
    seconds: float,
    *,
    connections: int = 128,
    then: Callable[[Ask, bytes], None] | None = None,
) -> Measured:
    """Requests at exponentially distributed intervals, `rate` a second on average.

    `then` is given each request that was answered as expected, and the answer's body.
    """
    measured = Measured()
    free = deque([await connect(urls[number % len(urls)]) for number in range(connections)])
    for connection in free:
        connection.keeps_body = then is not None
    waiting: deque[tuple[Ask, float]] = deque()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(connection: Connection, ask: Ask, due: float) -> None:
        while True:
            try:
                status = await connection.ask(ask.raw)
            except ConnectionError:
                status = 0
                connection = await connect(urls[0])
                connection.keeps_body = then is not None
            measured.note(ask, status, time.perf_counter() - due)
            if status == ask.status and then is not None:
                then(ask, bytes(connection.body))
            if not waiting:
                free.append(connection)
                return
            ask, due = waiting.popleft()

    def begin(due: float) -> None:
        if free:
            task = asyncio.create_task(serve(free.popleft(), choose(), due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        else:
            waiting.append((choose(), due))

    clock = _Clock()
    await asyncio.to_thread(_tick, asyncio.get_running_loop(), begin, rate, seconds)
    while tasks:
        await asyncio.wait(tasks)
    clock.stop(measured)
    for connection in free:
        connection.close()
    return measured


def _tick(
    loop: asyncio.AbstractEventLoop, begin: Callable[[float], None], rate: float, seconds: float
) -> None:
    """In a thread of its own: a loop's timers are rounded to whole milliseconds."""
    chance = random.Random(1)  # noqa: S311  arrivals, nothing secret
    begun = due = time.perf_counter()
    while (due := due + chance.expovariate(rate)) - begun < seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        loop.call_soon_threadsafe(begin, due)
