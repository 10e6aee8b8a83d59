"""The HTTP client against servers that misbehave, on both event loops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from gateway.http1 import ConnectError, HttpClient, ReadTimeout, RemoteProtocolError, Response
from tests.waiting import PATIENCE_SECONDS

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Scenario = Callable[[HttpClient, str], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Serve, Scenario], None]:
    def run(serve: Serve, scenario: Scenario) -> None:
        async def whole() -> None:
            async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await serve(reader, writer)
                except (ConnectionError, asyncio.IncompleteReadError):
                    return
                finally:
                    writer.close()

            server = await asyncio.start_server(handle, "127.0.0.1", 0)
            client = HttpClient(connect_timeout_seconds=1)
            port = server.sockets[0].getsockname()[1]
            async with asyncio.timeout(PATIENCE_SECONDS):
                await scenario(client, f"http://127.0.0.1:{port}")
            client.close()
            server.close()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(whole())

    return run


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answering(*answers: bytes) -> Serve:
    """Sends one of the answers to each request on a connection, then closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await head(reader)
            writer.write(answer)
            await writer.drain()

    return serve


async def fetch(client: HttpClient, url: str, method: str = "GET") -> tuple[int, bytes]:
    async with await client.request(method, url, "/", {}, timeout_seconds=0.3) as response:
        return response.status, await response.read()


def test_only_a_read_is_repeated_when_its_idle_connection_was_closed(
    run: Callable[[Serve, Scenario], None],
) -> None:
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await head(reader))
        writer.write(OK)
        received.append(await head(reader))

    async def scenario(client: HttpClient, url: str) -> None:
        assert await fetch(client, url) == (200, b"ok")
        for method in ("POST", "DELETE"):
            assert await fetch(client, url) == (200, b"ok")
            with pytest.raises(RemoteProtocolError):
                await fetch(client, url, method)

    run(serve, scenario)
    assert b" ".join(head.split()[0] for head in received) == b"GET GET GET POST GET DELETE"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    ],
    ids=["nothing", "garbage", "half", "bad chunk", "two lengths", "below nothing"],
)
def test_an_incomplete_or_malformed_response_is_a_protocol_error(
    run: Callable[[Serve, Scenario], None], answer: bytes
) -> None:
    async def scenario(client: HttpClient, url: str) -> None:
        with pytest.raises(RemoteProtocolError):
            await fetch(client, url)

    run(answering(answer), scenario)


@pytest.mark.parametrize(
    ("method", "answer", "expected"),
    [
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, (200, b"ok")),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", None),
        ("GET", b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok", None),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", (200, b"")),
        ("GET", b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n', (304, b"")),
        ("GET", OK + OK.replace(b"ok", b"no"), None),
    ],
    ids=["continue", "chunked", "until the end", "head", "not modified", "two at once"],
)
def test_every_way_to_end_a_body_is_understood(
    run: Callable[[Serve, Scenario], None],
    method: str,
    answer: bytes,
    expected: tuple[int, bytes] | None,
) -> None:
    async def scenario(client: HttpClient, url: str) -> None:
        for _ in range(3):
            assert await fetch(client, url, method) == (expected or (200, b"ok"))

    run(answering(answer), scenario)


def test_the_timeout_applies_before_and_within_a_response(
    run: Callable[[Serve, Scenario], None],
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = await head(reader)
        if b"GET /long" in received:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\nhalf")
        elif b"GET /short" in received:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        await reader.read()

    async def scenario(client: HttpClient, url: str) -> None:
        for target in ("/", "/short"):
            with pytest.raises(ReadTimeout):
                await client.request("GET", url, target, {}, timeout_seconds=0.1)
        async with await client.request("GET", url, "/long", {}, timeout_seconds=0.1) as response:
            with pytest.raises(ReadTimeout):
                await response.read()
        with pytest.raises(ConnectError):
            await client.request("GET", "http://127.0.0.1:1", "/", {})

    run(serve, scenario)


def test_a_large_body_waits_for_its_reader_and_an_abandoned_one_closes_the_connection(
    run: Callable[[Serve, Scenario], None],
) -> None:
    ended = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal ended
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n")
        try:
            for _ in range(500):
                writer.write(bytes(100_000))
                await writer.drain()
        except ConnectionError:
            ended += 1

    async def scenario(client: HttpClient, url: str) -> None:
        async with await client.request("GET", url, "/", {}) as response:
            assert sum([len(chunk) async for chunk in response.stream()]) == 50_000_000
        async with await client.request("GET", url, "/", {}) as response:
            assert await anext(response.stream())
        while not ended:
            await asyncio.sleep(0)

    run(serve, scenario)


def test_a_response_may_come_before_the_request_body_is_complete(
    run: Callable[[Serve, Scenario], None],
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield bytes(10_000)
            await asyncio.sleep(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    async def scenario(client: HttpClient, url: str) -> None:
        async with await client.request("POST", url, "/", {}, endless()) as response:
            assert response.status == 413

    run(serve, scenario)
    assert sent


def test_a_body_shorter_than_its_content_length_does_not_reach_the_next_request(
    run: Callable[[Serve, Scenario], None],
) -> None:
    """The service has responded, and waits on that connection for the missing bytes."""

    async def short() -> AsyncIterator[bytes]:
        yield b"half"

    async def scenario(client: HttpClient, url: str) -> None:
        with pytest.raises(RemoteProtocolError):
            await client.request("POST", url, "/", {"content-length": "9"}, short())
        assert await fetch(client, url) == (200, b"ok")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request_head = await head(reader)
        writer.write(OK)
        if b"POST" in request_head:
            await reader.readexactly(9)
            writer.write(OK.replace(b"ok", b"no"))

    run(serve, scenario)


def test_a_header_with_a_line_break_is_refused(run: Callable[[Serve, Scenario], None]) -> None:
    async def scenario(client: HttpClient, url: str) -> None:
        for headers in ({"a": "b\r\nc: d"}, {"a\nb": "c"}, {"a": "b\rc"}):
            with pytest.raises(ValueError, match="line break"):
                await client.request("GET", url, "/", headers)

    run(answering(OK), scenario)


def test_a_draining_replica_gets_no_request_on_an_idle_connection(
    run: Callable[[Serve, Scenario], None],
) -> None:
    """The replica is about to stop. A POST on a connection that it closes now would be lost."""
    opened: list[int] = []
    leaving = False

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal leaving
        opened.append(len(opened))
        await head(reader)
        while len(opened) < 2:
            await asyncio.sleep(0)
        writer.write(OK)
        await head(reader)
        if not leaving:
            leaving = True
            writer.write(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))

    async def scenario(client: HttpClient, url: str) -> None:
        await asyncio.gather(fetch(client, url), fetch(client, url))
        assert await fetch(client, url) == (200, b"ok")

        assert await fetch(client, url, "POST") == (200, b"ok")
        assert len(opened) == 3

    run(serve, scenario)


def test_data_after_a_response_is_not_taken_for_the_response_to_the_next_request(
    run: Callable[[Serve, Scenario], None],
) -> None:
    """`start` calls its receiver within the event loop, which may send the next request at once."""
    forged = OK.replace(b"ok", b"no")

    async def scenario(client: HttpClient, url: str) -> None:
        bodies: asyncio.Queue[bytes | None] = asyncio.Queue()

        def receive(result: Response | Exception) -> None:
            assert isinstance(result, Response)
            bodies.put_nowait(result.whole_body())
            if bodies.qsize() == 1 and not client.start("GET", url, "/", {}, b"", 0.3, receive):
                bodies.put_nowait(None)

        await fetch(client, url)
        assert client.start("GET", url, "/", {}, b"", 0.3, receive)

        assert await bodies.get() == b"ok"
        assert await bodies.get() is None

    run(answering(OK, OK + forged, OK), scenario)
