"""Responses without ASGI, on the same connections as responses with it."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from chassis.process.direct_responses import DirectResponse
from chassis.process.http_protocol import HttpProtocol
from tests.waiting import PATIENCE_SECONDS, eventually


class Application:
    """Responds with the path, and `way` says how. `/direct` responds at once, `/later` when the
    test says so; `/other` lets another ASGI application respond."""

    def __init__(self) -> None:
        self.later: list[DirectResponse] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Response(scope["path"], headers={"way": "asgi"})(scope, receive, send)

    def respond_directly(self, response: DirectResponse) -> bool:
        path = response.scope["path"]
        if path.startswith("/later"):
            self.later.append(response)
        elif path.startswith("/direct"):
            send_path(response)
        elif path == "/other":
            response.run(Response("/other", headers={"way": "other"}))
        elif path == "/client":
            response.read_forwarded_headers()
            host, _ = response.scope["client"]
            send_body(response, f"{response.scope['scheme']} {host}".encode())
        elif path == "/defect":
            raise RuntimeError("a defect")
        else:
            return False
        return True


def send_body(response: DirectResponse, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body)), (b"way", b"direct")]
    response.send(200, headers, body)


def send_path(response: DirectResponse) -> None:
    send_body(response, response.scope["path"].encode() + response.body)


class Served:
    """The application behind a socket, and one client's connection to it."""

    def __init__(
        self,
        application: Application,
        state: ServerState,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.application = application
        self.state = state
        self.reader = reader
        self.writer = writer

    def send(self, *requests: bytes) -> None:
        self.writer.write(b"".join(requests))

    async def response(self) -> tuple[bytes, bytes]:
        """The next response: which way it went, and its body."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            body = await self.reader.readexactly(int(headers[b"content-length"]))
        return headers[b"way"], body

    async def until_later(self, count: int) -> None:
        async def waiting() -> bool:
            return len(self.application.later) == count

        await eventually(waiting)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    application, state = Application(), ServerState()
    config = uvicorn.Config(application, log_config=None, forwarded_allow_ips="127.0.0.1")
    config.load()
    create = partial(HttpProtocol, config, state, {})
    server = await asyncio.get_running_loop().create_server(create, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    yield Served(application, state, reader, writer)
    writer.close()
    server.close()


@pytest.fixture(autouse=True)
async def no_callback_fails() -> AsyncIterator[None]:
    """An error in a callback of the event loop is only logged, so it would not fail a test."""
    failures: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    yield
    loop.set_exception_handler(None)
    assert failures == []


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: x", *headers, "", ""]).encode()


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def test_responses_come_in_the_order_of_their_requests(served: Served) -> None:
    served.send(
        get("/later/1"), get("/asgi/2"), get("/direct/3"), post("/later/4", b"!"), get("/other")
    )

    await served.until_later(1)
    send_path(served.application.later[0])
    for expected in ((b"direct", b"/later/1"), (b"asgi", b"/asgi/2"), (b"direct", b"/direct/3")):
        assert await served.response() == expected
    await served.until_later(2)
    send_path(served.application.later[1])

    assert await served.response() == (b"direct", b"/later/4!")
    assert await served.response() == (b"other", b"/other")


async def test_many_direct_responses_may_follow_each_other(served: Served) -> None:
    served.send(*[get("/direct")] * 2_000)

    for _ in range(2_000):
        assert await served.response() == (b"direct", b"/direct")


async def test_a_response_to_head_has_no_body_and_keeps_its_place(served: Served) -> None:
    def head(path: str) -> bytes:
        return get(path).replace(b"GET", b"HEAD")

    served.send(head("/asgi"), head("/direct"), get("/direct"))

    async with asyncio.timeout(PATIENCE_SECONDS):
        for way in (b"asgi", b"direct"):
            assert b"way: " + way in await served.reader.readuntil(b"\r\n\r\n")
    assert await served.response() == (b"direct", b"/direct")


async def test_after_an_error_the_application_responds_by_asgi(served: Served) -> None:
    served.send(get("/direct"), get("/defect"), get("/direct"))

    assert await served.response() == (b"direct", b"/direct")
    assert await served.response() == (b"asgi", b"/defect")
    assert await served.response() == (b"direct", b"/direct")


async def test_a_request_is_offered_with_its_whole_body_only(served: Served) -> None:
    whole = post("/direct", b"body")
    head, body = whole[:-4], whole[-4:]

    served.send(whole)
    assert await served.response() == (b"direct", b"/directbody")
    served.send(head)
    await asyncio.sleep(0.05)
    served.send(body)
    assert await served.response() == (b"asgi", b"/direct")


async def test_the_application_may_respond_after_all(served: Served) -> None:
    served.send(get("/later"))
    await served.until_later(1)

    served.application.later[0].run()

    assert await served.response() == (b"asgi", b"/later")


async def test_a_response_to_a_client_that_has_left_is_dropped(served: Served) -> None:
    served.send(get("/later"))
    await served.until_later(1)
    served.writer.close()

    async def left() -> bool:
        return not served.state.connections

    await eventually(left)
    send_path(served.application.later[0])

    assert served.state.total_requests == 0


@pytest.mark.parametrize("ending", ["the request", "the server", "the shutdown"])
async def test_the_last_response_of_a_connection_closes_it(served: Served, ending: str) -> None:
    served.send(get("/later", *["connection: close"] * (ending == "the request")))
    if ending == "the request":
        assert await served.response() == (b"asgi", b"/later")
    else:
        await served.until_later(1)
        if ending == "the server":
            served.state.default_headers.append((b"connection", b"close"))
        else:
            (connection,) = served.state.connections
            connection.shutdown()
        send_path(served.application.later[0])
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await served.reader.readuntil(b"\r\n\r\n")
        assert head.count(b"connection: close") == 1
        await served.reader.readexactly(len(b"/later"))

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await served.reader.read() == b""


async def test_forwarded_headers_name_the_client_to_direct_responses_too(served: Served) -> None:
    forwarded = ("x-forwarded-proto: https", "x-forwarded-for: 203.0.113.9")

    served.send(get("/client"), get("/client", *forwarded))

    assert await served.response() == (b"direct", b"http 127.0.0.1")
    assert await served.response() == (b"direct", b"https 203.0.113.9")
