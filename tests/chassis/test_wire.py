"""Bytes that are no sane request, sent to a process of ours as it runs."""

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

from chassis import wire


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await Response(f"{scope['path']} {len(body)}")(scope, receive, send)


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.3)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, http=wire.Protocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with contextlib.suppress(AttributeError):
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve([listening]))
    yield listening.getsockname()[1]
    server.should_exit = True
    await serving


async def said(port: int, *sent: bytes) -> bytes:
    """All that comes until the other side ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        # Who is refused in the middle of it may find the connection ended.
        with contextlib.suppress(ConnectionError):
            for part in sent:
                writer.write(part)
                await writer.drain()
        # Where the rest met an ended connection, the answer may be lost with it.
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                return await reader.read()
        return b""
    finally:
        writer.close()


def assert_refused(answer: bytes, status: int, error_type: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
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
    ],
)
async def test_what_two_readers_could_read_in_two_ways_is_refused(
    port: int, request_: bytes
) -> None:
    assert_refused(await said(port, request_), 400, "MalformedRequest")


async def test_a_body_in_an_unknown_encoding_is_nobodys(port: int) -> None:
    smuggled = b"GET /smuggled HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n"

    answer = await said(port, head + b"0\r\n\r\n" + smuggled)

    assert b"200 OK" not in answer


async def test_a_head_without_an_end_is_not_kept(port: int) -> None:
    flood = [b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(20_000)]

    answer = await said(port, b"GET / HTTP/1.1\r\n", *flood)

    if answer:
        assert_refused(answer, 431, "HeadTooLarge")


async def test_a_long_address_without_an_end_is_not_kept(port: int) -> None:
    answer = await said(port, b"GET /" + b"x" * wire.HEAD_BYTES, b"x")

    assert_refused(answer, 431, "HeadTooLarge")


async def test_a_head_that_does_not_come_to_its_end_is_given_up(port: int) -> None:
    assert_refused(await said(port, b"GET / HTTP/1.1\r\nhost: x"), 408, "RequestTimeout")


async def test_who_says_nothing_is_not_waited_for(port: int) -> None:
    assert await said(port) == b""


async def test_one_connection_takes_request_after_request(port: int) -> None:
    whole = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + bytes(100_000)
    last = b"GET /b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

    answer = await said(port, whole + last)

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"/a 100000" in answer
    assert answer.endswith(b"/b 0")


async def test_a_slow_head_after_an_answer_is_given_up_as_well(port: int) -> None:
    answer = await said(port, b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n", b"GET /b HTT")

    assert b"/a 0" in answer
    assert b"/b" not in answer
