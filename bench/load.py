"""A client that costs little: requests written once, answers parsed in C, one task a connection.

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
from urllib.parse import urlsplit

import httptools

Choose = Callable[[], bytes]
"""Gives the next request, whole, as it goes over the wire."""


def request(url: str, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    host = urlsplit(url).netloc
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body or method != "GET":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Measured:
    """`latencies` are seconds; `failed` counts answers that were not expected, and lost ones."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    bytes_received: int = 0

    @property
    def answered(self) -> int:
        return len(self.latencies)

    @property
    def rate(self) -> float:
        return self.answered / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Connection(asyncio.Protocol):
    """One request at a time. `ask` gives the status and the headers that were asked for."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.received = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.keeps_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("closed before the answer"))

    def on_message_begin(self) -> None:
        self.headers.clear()
        self.body.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        if self.keeps_body:
            self.body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._parser = httptools.HttpResponseParser(self)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)

    async def ask(self, raw: bytes) -> int:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(raw)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def connect(url: str) -> Connection:
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, parts.hostname or "", parts.port or 80)
    return connection


async def _nothing() -> None:
    pass


async def closed(
    url: str,
    choose: Choose,
    count: int,
    connections: int = 16,
    expected: Sequence[int] = (200,),
    before: Callable[[], Awaitable[None]] = _nothing,
) -> Measured:
    """`count` requests in all, by so many who each wait for their answer.

    `before` is awaited before each request, and counts for no latency.
    """
    left = count
    measured = Measured()

    async def one(connection: Connection) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await before()
            begun = time.perf_counter()
            status = await connection.ask(choose())
            measured.latencies.append(time.perf_counter() - begun)
            measured.failed += status not in expected

    opened = [await connect(url) for _ in range(connections)]
    begun = time.perf_counter()
    await asyncio.gather(*map(one, opened))
    measured.seconds = time.perf_counter() - begun
    for connection in opened:
        measured.bytes_received += connection.received
        connection.close()
    return measured


async def opened(
    url: str,
    choose: Choose,
    rate: float,
    seconds: float,
    *,
    seed: int = 1,
    connections: int = 128,
    expected: Sequence[int] = (200,),
) -> Measured:
    """Requests at exponentially distributed intervals, `rate` a second on average."""
    measured = Measured()
    free = deque([await connect(url) for _ in range(connections)])
    waiting: deque[tuple[bytes, float]] = deque()
    chance = random.Random(seed)  # noqa: S311  arrivals, nothing secret
    tasks: set[asyncio.Task[None]] = set()

    async def serve(connection: Connection, raw: bytes, due: float) -> None:
        while True:
            try:
                status = await connection.ask(raw)
                measured.failed += status not in expected
            except ConnectionError:
                measured.failed += 1
                connection = await connect(url)
            measured.latencies.append(time.perf_counter() - due)
            if not waiting:
                free.append(connection)
                return
            raw, due = waiting.popleft()

    begun = due = time.perf_counter()
    while due - begun < seconds:
        due += chance.expovariate(rate)
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        if free:
            task = asyncio.create_task(serve(free.popleft(), choose(), due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        else:
            waiting.append((choose(), due))
    while tasks:
        await asyncio.wait(tasks)
    measured.seconds = time.perf_counter() - begun
    for connection in free:
        connection.close()
    return measured
