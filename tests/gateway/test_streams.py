"""Event streams through the gateway: how bytes are passed on, and what ends a stream."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aio_pika
import pytest
import uvicorn
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from chassis import testing
from chassis.auth import api_keys
from chassis.auth.identity import Verifier
from chassis.messaging import broker
from chassis.process.http_protocol import HttpProtocol
from devstack.instance import Instance
from gateway import stream_proxy
from tests.sse import open_stream
from tests.waiting import PATIENCE_SECONDS, eventually

from .fake_services import OWNER, PERSON, RunningGateway, StartGateway, error

KEY = {"api-key": api_keys.generate()}


class Source:
    """A stream process that sends what the test gives it."""

    def __init__(self) -> None:
        self.queues: list[asyncio.Queue[bytes | None]] = []
        self.left = 0

    async def __call__(self, request: Request) -> Response:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.queues.append(queue)

        async def content() -> AsyncIterator[bytes]:
            try:
                yield b'id: 1\nevent: welcome\ndata: {"position":1}\n\n'
                while (chunk := await queue.get()) is not None:
                    yield chunk
            finally:
                self.left += 1

        return StreamingResponse(content(), media_type="text/event-stream")

    def send(self, number: int) -> None:
        for queue in self.queues:
            queue.put_nowait(b'id: %d\nevent: counts\ndata: {"tweet":%d}\n\n' % (number, number))

    async def is_left(self) -> bool:
        return self.left == len(self.queues)


@asynccontextmanager
async def serving(running: RunningGateway, port: int) -> AsyncIterator[str]:
    """The gateway behind a real socket: the client of `running` holds a response back until it is
    complete."""
    listening = socket.create_server(("127.0.0.1", port))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    config = uvicorn.Config(running.app, http=HttpProtocol, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not server.started:
                await asyncio.wait([serving], timeout=0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        await serving


def closed(reason: str) -> float:
    labels = {"reason": reason}
    return REGISTRY.get_sample_value("warble_gateway_streams_closed_total", labels) or 0.0


def is_true(look: Callable[[], object]) -> Awaitable[object]:
    async def found() -> object:
        return look()

    return eventually(found)


async def test_each_piece_is_passed_on_at_once(
    start_gateway: StartGateway, unused_tcp_port: int
) -> None:
    source = Source()
    async with start_gateway(stream=source) as running, serving(running, unused_tcp_port) as url:
        headers = {**KEY, "last-event-id": "41", "cookie": "a=b", "accept-encoding": "gzip"}
        async with open_stream(url, headers, tweets="1,2") as stream:
            for number in range(2, 10):
                await stream.event("welcome" if number == 2 else "counts", max(1, number - 2))
                source.send(number)
            await stream.event("counts", 8)

            assert stream.response.status_code == 200
            assert stream.response.headers["content-type"].startswith("text/event-stream")
            assert stream.response.headers["x-accel-buffering"] == "no"
            assert stream.response.headers["cache-control"] == "no-store"
            assert "content-encoding" not in stream.response.headers
            assert [event.id for event in stream.events] == [*range(1, 10)]
            (request,) = running.stream.requests
            assert request["target"] == "/api/stream?tweets=1%2C2"
            assert request["headers"].keys() == {
                "host", "last-event-id", "traceparent", "warble-identity", "x-request-id"
            }  # fmt: skip
            token = request["headers"]["warble-identity"]
            assert Verifier(testing.PUBLIC_KEY, "notifications").verify(token).user_id == PERSON
            assert request["headers"]["last-event-id"] == "41"
        await eventually(source.is_left)


async def test_the_client_learns_that_the_stream_process_has_gone(
    start_gateway: StartGateway, unused_tcp_port: int
) -> None:
    source = Source()
    async with (
        start_gateway(stream=source) as running,
        serving(running, unused_tcp_port) as url,
        open_stream(url, KEY) as stream,
    ):
        await stream.event("welcome")
        source.queues[0].put_nowait(None)
        await stream.over()

        assert stream.is_complete
        assert stream.retry >= 1000


async def test_a_client_that_does_not_read_is_disconnected(
    start_gateway: StartGateway, unused_tcp_port: int
) -> None:
    source = Source()
    before = closed("slow")
    async with start_gateway(stream=source) as running, serving(running, unused_tcp_port) as url:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", unused_tcp_port))
        request = f"GET /api/stream HTTP/1.1\r\nhost: x\r\napi-key: {KEY['api-key']}\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        await is_true(lambda: source.queues)
        async with open_stream(url, KEY) as stream:
            await stream.event("welcome")

            def more() -> bool:
                source.queues[0].put_nowait(b":" + b"x" * 10_000 + b"\n\n")
                return closed("slow") > before

            await is_true(more)
            source.send(5)

            assert (await stream.event("counts")).id == 5
        connection.close()
        await eventually(source.is_left)


async def test_a_silent_stream_process_is_given_up(
    start_gateway: StartGateway, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source()
    monkeypatch.setattr(stream_proxy, "_MAX_SILENCE_SECONDS", 0.5)
    async with start_gateway(stream=source) as running, serving(running, unused_tcp_port) as url:
        async with open_stream(url, KEY) as stream:
            await stream.over()

            assert stream.is_complete
            assert stream.retry >= 1000
        await eventually(source.is_left)


async def test_refusals_are_those_of_any_call(
    start_gateway: StartGateway, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_RATE_LIMITS", "on")
    monkeypatch.setenv("GATEWAY_READS_PER_MINUTE", "2")
    async with start_gateway(stream=Source()) as running:
        nobody = await running.client.get("/api/stream")
        wrong = await running.client.delete("/api/stream", headers=KEY)
        head = await running.client.head("/api/stream", headers=KEY)

        assert error(nobody) == (401, "NotSignedIn")
        assert error(wrong) == (405, "MethodNotAllowed")
        assert head.status_code == 200
        assert head.headers["content-type"].startswith("text/event-stream")
        assert "ratelimit" in head.headers
        assert running.stream.requests == []
        await running.client.head("/api/stream", headers=KEY)
        limited = await running.client.get("/api/stream", headers=KEY)
        assert error(limited) == (429, "TooManyRequests")


async def test_a_refusal_of_the_stream_process_is_passed_on_and_another_replica_is_tried(
    start_gateway: StartGateway, unused_tcp_port_factory: Callable[[], int]
) -> None:
    async def full(request: Request) -> Response:
        body = {"result": False, "error_type": "ServiceOverloaded", "error_message": "Full."}
        return JSONResponse(body, 503, headers={"retry-after": "1"})

    nowhere = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with start_gateway(stream=full, urls={"stream": f"{nowhere},{{own}}"}) as running:
        for _ in range(2):
            refused = await running.client.get("/api/stream", headers=KEY)

            assert error(refused) == (503, "ServiceOverloaded")
            assert refused.headers["retry-after"] == "1"
    async with start_gateway(urls={"stream": nowhere}) as running:
        assert error(await running.client.get("/api/stream", headers=KEY))[0] == 503
        # While it is marked as down, thousands of clients that try again cost little.
        running.app._streams.replicas.mark_down(nowhere, PATIENCE_SECONDS)
        assert error(await running.client.get("/api/stream"))[0] == 503


async def test_streams_have_a_limit_of_their_own(
    start_gateway: StartGateway, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_MAX_STREAMS", "60")
    source = Source()
    async with start_gateway(stream=source) as running, serving(running, unused_tcp_port) as url:
        contexts = [open_stream(url, KEY) for _ in range(60)]
        for context in contexts:
            await context.__aenter__()

        refused = await running.client.get("/api/stream", headers=KEY)
        read = await running.client.get("/api/tweets", headers=KEY)

        assert error(refused) == (503, "ServiceOverloaded")
        assert read.is_success
        for context in contexts:
            await context.__aexit__(None, None, None)
        await eventually(source.is_left)


class Users:
    """The users service, with one credential that the test may end."""

    def __init__(self) -> None:
        self.revoked = False
        self.seconds_left: float | None = None

    async def __call__(self, request: Request) -> Response:
        if self.revoked:
            return JSONResponse({"result": False, "error_type": "KeyEnded"}, 404)
        return JSONResponse(OWNER | {"seconds_left": self.seconds_left})


@pytest.mark.exclusive  # Other tests' gateways receive these revocations too.
async def test_a_revoked_credential_ends_its_stream(
    start_gateway: StartGateway, unused_tcp_port: int, stack: Instance
) -> None:
    source, users = Source(), Users()
    connection = await aio_pika.connect(stack.broker_url)
    async with (
        connection,
        start_gateway(stream=source, users=users) as running,
        serving(running, unused_tcp_port) as url,
        open_stream(url, KEY) as stream,
    ):
        await stream.event("welcome")
        exchange = await broker.events_exchange(await connection.channel())

        async def revoke() -> None:
            body = json.dumps({"user_id": PERSON}).encode()
            message = aio_pika.Message(body, message_id="users:1")
            await exchange.publish(message, "key.revoked.v1")

        # The revocation of another key of the person.
        lookups = len(running.users.requests)
        await revoke()
        await is_true(lambda: len(running.users.requests) > lookups)
        source.send(2)
        await stream.event("counts")
        assert not stream.is_over

        users.revoked = True
        await revoke()
        await stream.over()

        assert stream.is_complete
        assert stream.events[-1].name == "ended"
        assert stream.retry == 0
        await eventually(source.is_left)


async def test_a_stream_ends_with_its_credential(
    start_gateway: StartGateway, unused_tcp_port: int
) -> None:
    source, users = Source(), Users()
    users.seconds_left = 0.5
    async with (
        start_gateway(stream=source, users=users) as running,
        serving(running, unused_tcp_port) as url,
        open_stream(url, KEY) as stream,
    ):
        await stream.event("welcome")
        users.revoked = True

        assert (await stream.event("ended")).data == {}
        await stream.over()


async def test_all_streams_are_checked_when_the_broker_is_back(
    start_gateway: StartGateway, unused_tcp_port: int
) -> None:
    source, users = Source(), Users()
    async with (
        start_gateway(stream=source, users=users) as running,
        serving(running, unused_tcp_port) as url,
        open_stream(url, KEY) as stream,
    ):
        await stream.event("welcome")
        await is_true(lambda: running.app._streams._streams)
        users.revoked = True
        # What `consume_revocations` does when the connection is lost, and is there again.
        running.app._application.state.credentials.expire_all_here()
        running.app._application.state.credentials.listener(None)

        await stream.event("ended")


async def test_a_stopping_gateway_sends_its_clients_away_for_a_random_time(
    start_gateway: StartGateway, unused_tcp_port: int
) -> None:
    source = Source()
    async with start_gateway(stream=source) as running, serving(running, unused_tcp_port) as url:
        contexts = [open_stream(url, KEY) for _ in range(10)]
        opened = [await context.__aenter__() for context in contexts]
        for stream in opened:
            await stream.event("welcome")

        await running.app.drain()

        for stream in opened:
            await stream.over()
            assert stream.is_complete
        assert len({stream.retry for stream in opened}) > 1
        refused = await running.client.get("/api/stream", headers=KEY)
        assert error(refused) == (503, "ServiceOverloaded")
        for context in contexts:
            await context.__aexit__(None, None, None)
