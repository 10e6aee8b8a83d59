import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bench.load import Request, always, closed_loop, open_loop, percentile
from bench.raw_http import encode_request


class Server:
    """Answers requests after `released` is set."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.request_count = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                self.request_count += 1
                await self.released.wait()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()


async def test_latency_counts_from_when_a_request_was_due_even_if_earlier_ones_hang() -> None:
    server = Server()
    due_at: list[float] = []
    released_at: list[float] = []

    def choose() -> Request:
        due_at.append(time.perf_counter())
        if len(due_at) == 20:
            released_at.append(time.perf_counter())
            server.released.set()
        return Request(encode_request(url, "/"))

    async with server.serving() as url:
        measured = await open_loop([url], choose, rate=300, seconds=0.5, connections=1)

    latencies = measured.all()
    assert len(latencies) == len(due_at) == server.request_count
    assert measured.failed == 0
    for latency, due in zip(latencies[:19], due_at, strict=False):
        assert latency >= released_at[0] - due


async def test_a_response_with_another_status_is_a_failure() -> None:
    server = Server()
    server.released.set()
    async with server.serving() as url:
        request_ = Request(encode_request(url, "/"), status=304)

        measured = await closed_loop([url], always(request_), count=7, connections=2)

    assert (measured.answered, measured.failed, server.request_count) == (7, 7, 7)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    hundred = [float(number) for number in range(100, 0, -1)]

    assert percentile(hundred, 0.5) == 51
    assert percentile(hundred, 0.999) == 100
    assert percentile([], 0.5) == 0
