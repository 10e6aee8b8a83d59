"""Limits of a connection, shown with raw bytes that are sent to a real server."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chassis.process import http_protocol
from chassis.process.direct_responses import DirectResponse
from tests.sockets import send_raw
from tests.waiting import PATIENCE_SECONDS

head_arrived = asyncio.Event()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/late":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await head_arrived.wait()
        await send({"type": "http.response.body", "body": b"late"})
        return
    if scope["path"] == "/large":
        await Response(bytes(50_000_000))(scope, receive, send)
        return
    body = await Request(scope, receive).body()
    await Response(summary(scope, body))(scope, receive, send)


def summary(scope: Scope, body: bytes) -> str:
    names = " ".join(name.decode() for name, _ in scope["headers"])
    return f"{scope['path']} {len(body)} {names}"


class DirectlyRespondingApplication:
    """Responds as `application` does, without a task where it can."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await application(scope, receive, send)

    def respond_directly(self, response: DirectResponse) -> bool:
        if response.scope["path"] in ("/late", "/large"):
            return False
        body = summary(response.scope, response.body).encode()
        response.send(200, [(b"content-length", b"%d" % len(body))], body)
        return True


@pytest.fixture(params=[application, DirectlyRespondingApplication()], ids=["ASGI", "direct"])
async def server(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[uvicorn.Server]:
    for name in ("HEAD_TIMEOUT_SECONDS", "BODY_TIMEOUT_SECONDS", "WRITE_TIMEOUT_SECONDS"):
        monkeypatch.setattr(http_protocol, name, 0.3)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        request.param, http=http_protocol.HttpProtocol, lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    with contextlib.suppress(AttributeError):
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve([listening]))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not server.started:
            await asyncio.sleep(0.01)
    yield server
    server.should_exit = True
    await serving


@pytest.fixture
def port(server: uvicorn.Server) -> int:
    number: int = server.servers[0].sockets[0].getsockname()[1]
    return number


def assert_refused(response: bytes, status: int, error_type: str) -> None:
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), response
    assert b"connection: close" in head
    problem = json.loads(body)
    assert (problem["result"], problem["error_type"]) == (False, error_type)


@pytest.mark.parametrize(
    "request_",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nna me: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nname : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nname: a\0b\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1_0\r\n\r\n0123456789",
        b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        b'POST / HTTP/1.1\r\ntransfer-encoding: "chunked"\r\n\r\n0\r\n\r\n',
        b"POST / HTTP/1.1\r\ntransfer-encoding: xchunked\r\ncontent-length: 1\r\n\r\n1",
        b"POST / HTTP/1.1\r\ncontent-length: 1, 1\r\n\r\n1",
        b"POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\n1",
        b"POST / HTTP/1.1\r\ncontent-length: 0x1\r\n\r\n1",
        b"GET / HTTP/1.1\nhost: x\n\n",
        b"GET / HTTP/1.1\r\nhost: x\nname: value\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\rname: value\r\n\r\n",
        b"GET / HTTP/1.1\r\nname: value\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\n: value\r\n\r\n",
        b" GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / there HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT /a HTTP/1.1\r\nhost: x\r\n\r\nGET /b HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
async def test_a_request_that_parsers_could_read_in_two_ways_is_refused(
    port: int, request_: bytes
) -> None:
    assert_refused(await send_raw(port, request_), 400, "MalformedRequest")


@pytest.mark.parametrize(
    "chunks",
    [
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"0_3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"10000000000000003\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"3;a\nabc\r\n0\r\n\r\n",
        b"3\r\nabcX0\r\n\r\n",
        b"3\r\nabcde\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\ncontent-length: 3\r\n\r\n",
        b"3\r\nabc\r\n0\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
async def test_chunks_that_parsers_could_read_in_two_ways_are_refused(
    port: int, chunks: bytes
) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"

    response = await send_raw(port, head + chunks + b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n")

    assert_refused(response, 400, "MalformedRequest")


async def test_a_malformed_request_does_not_get_the_response_to_an_earlier_one(port: int) -> None:
    response = await send_raw(port, b"GET /a HTTP/1.1\r\nhost: x\r\n\r\nno request\r\n\r\n")

    assert b"400" not in response


async def test_trailers_do_not_become_headers(port: int) -> None:
    head = b"POST /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"

    response = await send_raw(port, head + b"3;name=value\r\nabc\r\n0\r\napi-key: x\r\n\r\n")

    assert response.endswith(b"/a 3 host connection transfer-encoding")


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
async def test_an_offer_to_upgrade_the_protocol_is_ignored(port: int, protocol: bytes) -> None:
    upgrade = b"host: x\r\nconnection: upgrade\r\nupgrade: " + protocol + b"\r\n"
    with_body = b"POST /a HTTP/1.1\r\n" + upgrade + b"content-length: 4\r\n\r\nbody"
    in_chunks = b"POST /b HTTP/1.1\r\n" + upgrade + b"transfer-encoding: chunked\r\n\r\n"
    last = b"GET /c HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

    response = await send_raw(port, with_body + in_chunks + b"2\r\nab\r\n", b"0\r\n\r\n" + last)

    assert response.count(b"HTTP/1.1 200 OK") == 3
    assert b"/a 4 host connection content-length" in response
    assert b"/b 2 host connection transfer-encoding" in response
    assert response.endswith(b"/c 0 host connection")


async def test_a_body_in_an_unknown_encoding_does_not_become_a_request(port: int) -> None:
    smuggled = b"GET /smuggled HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n"

    response = await send_raw(port, head + b"0\r\n\r\n" + smuggled)

    assert b"200 OK" not in response


async def test_a_head_without_an_end_is_refused(port: int) -> None:
    flood = [b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(20_000)]

    response = await send_raw(port, b"GET / HTTP/1.1\r\n", *flood)

    if response:
        assert_refused(response, 431, "HeadTooLarge")


async def test_a_url_without_an_end_is_refused(port: int) -> None:
    response = await send_raw(port, b"GET /" + b"x" * http_protocol.MAX_HEAD_BYTES, b"x")

    assert_refused(response, 431, "HeadTooLarge")


@pytest.mark.parametrize("start", [b"0\r\nname: ", b"3;name=", b"3\r\nabc\r\n0\r\nname: "])
async def test_trailers_and_chunk_extensions_without_an_end_are_refused(
    port: int, start: bytes
) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"

    response = await send_raw(port, head + start, *[b"y" * 10_000 for _ in range(2_000)])

    if response:
        assert_refused(response, 431, "HeadTooLarge")


async def test_an_incomplete_head_times_out(port: int) -> None:
    assert_refused(await send_raw(port, b"GET / HTTP/1.1\r\nhost: x"), 408, "RequestTimeout")


async def test_a_client_that_sends_nothing_is_disconnected(port: int) -> None:
    assert await send_raw(port) == b""


async def test_one_connection_serves_several_requests(port: int) -> None:
    first = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + bytes(100_000)
    last = b"GET /b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

    response = await send_raw(port, first + last)

    assert response.count(b"HTTP/1.1 200 OK") == 2
    assert b"/a 100000" in response
    assert response.endswith(b"/b 0 host connection")


async def test_a_head_does_not_wait_for_a_body_that_comes_later(port: int) -> None:
    head_arrived.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n")

    async with asyncio.timeout(PATIENCE_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        head_arrived.set()
        body = await reader.readuntil(b"0\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"4\r\nlate\r\n0\r\n\r\n"
    writer.close()


async def test_an_incomplete_head_after_a_response_times_out(port: int) -> None:
    response = await send_raw(port, b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n", b"GET /b HTT")

    assert b"/a 0" in response
    assert b"/b" not in response


async def test_an_incomplete_body_times_out(port: int) -> None:
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"

    assert_refused(await send_raw(port, head, b"half"), 408, "RequestTimeout")


async def test_a_client_that_does_not_read_the_response_is_disconnected(
    server: uvicorn.Server, port: int
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
    writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not server.server_state.total_requests:
            await asyncio.sleep(0.01)
        while server.server_state.connections:
            await asyncio.sleep(0.01)

    writer.close()


async def test_a_client_that_vanishes_is_given_up_as_soon_as_one_that_does_not_read(
    server: uvicorn.Server, port: int
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not server.server_state.connections:
            await asyncio.sleep(0.01)
    (connection,) = server.server_state.connections
    accepted = connection.transport.get_extra_info("socket")

    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 300
    writer.close()


async def test_a_connection_above_the_limit_gets_an_overload_response(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_SECONDS", 20)
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    request = b"GET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

    refused = await send_raw(port)
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    accepted = b""
    while b"200 OK" not in accepted:
        accepted = await send_raw(port, request)

    assert_refused(refused, 503, "ServiceOverloaded")
    assert b"Retry-After: 1\r\n" in refused


async def test_bodies_that_follow_their_heads_later_do_not_count_as_heads(port: int) -> None:
    head = (
        b"POST /a HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n"
        b"long: " + b"x" * (http_protocol.MAX_HEAD_BYTES // 2) + b"\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(5):
            writer.write(head)
            assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"body")
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"long")
    writer.close()
