"""Load generators with many connections.

In the closed loop each connection sends the next request as soon as it has a response. That finds
the throughput. The open loop sends each request when it is due, whether earlier ones have their
responses or not, and measures latency from that moment. That finds the latency that clients see: a
closed loop would send fewer requests exactly while the server is slow, and so hide the worst
latencies (Gil Tene's coordinated omission).
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .raw_http import Connection, connect


class Request(NamedTuple):
    """The bytes of a request, the expected status, and a kind by which latencies are grouped."""

    raw: bytes
    status: int = 200
    kind: str = ""


_RECONNECT_SECONDS = 60
RequestSource = Callable[[], Request]
"""Returns the next request."""


def always(request: Request) -> RequestSource:
    return lambda: request


@dataclass
class Measurement:
    seconds: float = 0.0
    latencies: dict[str, list[float]] = field(default_factory=dict)
    """In seconds, by kind."""
    unexpected: dict[int, list[float]] = field(default_factory=dict)
    """Latencies of responses with another status than expected, by status; 0 if none came."""
    generator: float = 0.0
    """CPU time of the load generator, as a share of one processor."""

    def add(self, request: Request, status: int, latency: float) -> None:
        self.latencies.setdefault(request.kind, []).append(latency)
        if status != request.status:
            self.unexpected.setdefault(status, []).append(latency)

    @property
    def failed(self) -> int:
        return sum(map(len, self.unexpected.values()))

    @property
    def answered(self) -> int:
        return sum(map(len, self.latencies.values()))

    @property
    def done(self) -> float:
        """Responses with the expected status per second."""
        return (self.answered - self.failed) / self.seconds

    @property
    def rate(self) -> float:
        return self.answered / self.seconds if self.seconds else 0.0

    def all(self) -> list[float]:
        return [latency for kind in self.latencies.values() for latency in kind]


def percentile(seconds: Sequence[float], share: float) -> float:
    """The smallest value that is not below this share of all values; 0 without any."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def distribution(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds by percentile, and the number of values."""
    return {
        "count": len(seconds),
        **{f"p{share}": percentile(seconds, share / 100) * 1e3 for share in (50, 95, 99, 99.9)},
    }


class _Clock:
    def __init__(self) -> None:
        self.started_at, self._used = time.perf_counter(), time.process_time()

    def stop(self, measurement: Measurement) -> None:
        measurement.seconds = time.perf_counter() - self.started_at
        measurement.generator = (time.process_time() - self._used) / measurement.seconds


async def _nothing() -> None:
    pass


async def closed_loop(
    urls: Sequence[str],
    choose: RequestSource,
    count: int,
    connections: int = 16,
    before: Callable[[], Awaitable[None]] = _nothing,
) -> Measurement:
    """Sends `count` requests in total, over connections that are spread over the servers.

    `before` is awaited before each request; the latency does not include it.
    """
    remaining = count
    measurement = Measurement()

    async def send_requests(connection: Connection) -> None:
        nonlocal remaining
        while remaining > 0:
            remaining -= 1
            await before()
            request = choose()
            sent_at = time.perf_counter()
            status = await connection.send(request.raw)
            measurement.add(request, status, time.perf_counter() - sent_at)

    connection_list = [await connect(urls[number % len(urls)]) for number in range(connections)]
    clock = _Clock()
    try:
        await asyncio.gather(*map(send_requests, connection_list))
        clock.stop(measurement)
    finally:
        for connection in connection_list:
            connection.close()
    return measurement


async def open_loop(
    urls: Sequence[str],
    choose: RequestSource,
    rate: float,
    seconds: float,
    *,
    connections: int = 128,
    then: Callable[[Request, bytes], None] | None = None,
) -> Measurement:
    """Sends requests at exponentially distributed intervals, `rate` per second on average.

    `then` is called with each request that got the expected status, and the response's body.
    """
    measurement = Measurement()
    free = deque([await connect(urls[number % len(urls)]) for number in range(connections)])
    for connection in free:
        connection.keeps_body = then is not None
    waiting: deque[tuple[Request, float]] = deque()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(connection: Connection, request: Request, due: float) -> None:
        while True:
            try:
                status = await connection.send(request.raw)
            except ConnectionError:
                status = 0
                connection = await _connect_again(urls[0])
                connection.keeps_body = then is not None
            measurement.add(request, status, time.perf_counter() - due)
            if status == request.status and then is not None:
                then(request, bytes(connection.body))
            if not waiting:
                free.append(connection)
                return
            request, due = waiting.popleft()

    def start(due: float) -> None:
        if free:
            task = asyncio.create_task(serve(free.popleft(), choose(), due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        else:
            waiting.append((choose(), due))

    clock = _Clock()
    await asyncio.to_thread(_tick, asyncio.get_running_loop(), start, rate, seconds)
    while tasks:
        await asyncio.wait(tasks)
    clock.stop(measurement)
    for connection in free:
        connection.close()
    return measurement


async def _connect_again(url: str) -> Connection:
    """The server may be about to start."""
    async with asyncio.timeout(_RECONNECT_SECONDS):
        while True:
            try:
                return await connect(url)
            except ConnectionError:
                await asyncio.sleep(0.05)


def _tick(
    loop: asyncio.AbstractEventLoop, start: Callable[[float], None], rate: float, seconds: float
) -> None:
    """Runs in a thread, because asyncio rounds its timers to whole milliseconds."""
    chance = random.Random(1)  # noqa: S311 (not a secret)
    started_at = due = time.perf_counter()
    while (due := due + chance.expovariate(rate)) - started_at < seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        loop.call_soon_threadsafe(start, due)
