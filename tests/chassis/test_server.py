"""How a process serves, and how it stops without failing a request."""

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.waiting import PATIENCE_SECONDS, eventually

APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

def create_app():
    return app
"""

REPORTS_ADDRESSES = """
import json

class App:
    internal_address = "127.0.0.1:%d"

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            seen = [scope["server"][1], scope["client"][0], scope["scheme"]]
            await send({"type": "http.response.body", "body": json.dumps(seen).encode()})

def create_app():
    return App()
"""

BUSY = """
import asyncio
import time

turns = 0

async def turn():
    global turns
    while True:
        turns += 1
        time.sleep(0.01)
        await asyncio.sleep(0)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        app.turning = asyncio.create_task(turn())
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        body = b"%d" % turns
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

def create_app():
    return app
"""


STAYS_OPEN = """
import asyncio

class App:
    def __init__(self):
        self.stops = asyncio.Event()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            if scope["path"] == "/stream":
                await send({"type": "http.response.body", "body": b"begin", "more_body": True})
                await self.stops.wait()
            await send({"type": "http.response.body", "body": b"end"})

    async def drain(self):
        self.stops.set()

def create_app():
    return App()
"""


async def _responds(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).is_success
    except httpx.TransportError:
        return False


@asynccontextmanager
async def served(
    folder: Path, application: str, port: int, **environment: str
) -> AsyncIterator[Process]:
    (folder / "served.py").write_text(application)
    libs = Path(__file__).parents[2] / "libs"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chassis", "serve", "served:create_app", "--port", str(port)),
        env={"PYTHONPATH": f"{folder}:{libs}", **environment},
    )
    async with httpx.AsyncClient() as http:
        url = f"http://127.0.0.1:{port}/"
        await eventually(lambda: _responds(http, url))
    yield process
    if process.returncode is None:
        process.terminate()
    await process.wait()


async def test_a_client_with_an_idle_connection_is_served_and_asked_to_close_it(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    async with (
        served(tmp_path, APPLICATION, unused_tcp_port) as process,
        httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http,
    ):
        before = await http.get(url)
        process.send_signal(signal.SIGTERM)
        last = before
        while "connection" not in last.headers:
            last = await http.get(url)

    assert "connection" not in before.headers
    assert (last.status_code, last.text, last.headers["connection"]) == (200, "served", "close")
    assert await process.wait() in (0, -signal.SIGTERM)


async def test_an_application_is_asked_to_end_the_responses_that_stay_open(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/stream"
    async with (
        served(tmp_path, STAYS_OPEN, unused_tcp_port) as process,
        httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http,
        http.stream("GET", url) as response,
    ):
        chunks = response.aiter_text()
        assert await anext(chunks) == "begin"
        process.send_signal(signal.SIGTERM)
        assert await anext(chunks) == "end"


async def test_the_application_sees_which_address_a_request_came_to(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    port, internal = unused_tcp_port_factory(), unused_tcp_port_factory()
    async with (
        served(tmp_path, REPORTS_ADDRESSES % internal, port),
        httpx.AsyncClient(headers={"host": "elsewhere:1"}, timeout=PATIENCE_SECONDS) as http,
    ):
        for address in (port, internal):
            seen = (await http.get(f"http://127.0.0.1:{address}/")).json()
            assert seen == [address, "127.0.0.1", "http"]


@pytest.mark.parametrize(
    ("trusted_proxies", "seen"),
    [("127.0.0.0/8", ["192.0.2.7", "https"]), ("10.244.0.0/16", ["127.0.0.1", "http"])],
)
async def test_forwarded_headers_are_believed_from_trusted_proxies_only(
    tmp_path: Path,
    unused_tcp_port_factory: Callable[[], int],
    trusted_proxies: str,
    seen: list[str],
) -> None:
    port, internal = unused_tcp_port_factory(), unused_tcp_port_factory()
    forwarded = {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https"}
    async with (
        served(tmp_path, REPORTS_ADDRESSES % internal, port, FORWARDED_ALLOW_IPS=trusted_proxies),
        httpx.AsyncClient(headers=forwarded, timeout=PATIENCE_SECONDS) as http,
    ):
        assert (await http.get(f"http://127.0.0.1:{port}/")).json()[1:] == seen


async def test_new_connections_are_accepted_while_the_event_loop_is_busy(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    count = 200
    connections = []
    async with served(tmp_path, BUSY, unused_tcp_port) as process:
        # All requests wait when the process goes on, so the speed of the client does not matter.
        process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(count):
                connection = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
                connection[1].write(b"GET / HTTP/1.0\r\n\r\n")
                connections.append(connection)
        finally:
            process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(PATIENCE_SECONDS):
            responses = [await reader.read() for reader, _ in connections]
        for _, writer in connections:
            writer.close()
    turns = [int(response.partition(b"\r\n\r\n")[2]) for response in responses]

    assert max(turns) - min(turns) < count / 2
