"""Requests that are forwarded without a task get the same responses as those with one."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from chassis.observability import access_log
from tests.serving import serving
from tests.waiting import PATIENCE_SECONDS

from .fake_services import (
    PERSON,
    Behaviour,
    FakeService,
    RunningGateway,
    StartGateway,
    echo,
    error,
    html,
    refusal,
)

KEY = {"api-key": "anything"}
OWN_PAGE = {"sec-fetch-site": "same-origin"}
PATH = "/api/tweets"
"""The feed reads it, and tweets writes it."""


@dataclass
class Ways:
    """A gateway with a client for each way: `task` uses ASGI, `direct` real connections."""

    running: RunningGateway
    task: httpx.AsyncClient
    direct: httpx.AsyncClient
    socket: str
    tasks: int = 0
    """How many requests have been forwarded by a task."""


Open = Callable[..., contextlib.AbstractAsyncContextManager[Ways]]


@pytest.fixture
def both_ways(start_gateway: StartGateway) -> Open:
    """Starts a gateway whose cache knows the key, and whose connections to feed and tweets are
    idle, so that it needs no task."""

    @contextlib.asynccontextmanager
    async def open_both(
        urls: dict[str, str] | None = None, **behaviours: Behaviour
    ) -> AsyncIterator[Ways]:
        async with start_gateway(urls, **behaviours) as running, serving(running.app) as socket:
            transport = httpx.AsyncHTTPTransport(uds=socket)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as direct:
                ways = Ways(running, running.client, direct, socket)
                for method in ("GET", "DELETE"):
                    await running.client.request(method, f"{PATH}/1", headers=KEY)
                count_tasks(ways)
                for service in running.services.values():
                    service.requests.clear()
                yield ways

    return open_both


def count_tasks(ways: Ways) -> None:
    forward = ways.running.app._traced_proxy

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        ways.tasks += 1
        await forward(scope, receive, send)

    ways.running.app._traced_proxy = counting


async def unchanged(_: Request) -> Response:
    return Response(status_code=304, headers={"etag": '"a"', "cache-control": "no-cache"})


async def empty(_: Request) -> Response:
    return Response(status_code=204)


async def written(request: Request) -> Response:
    body = await request.body()
    headers = {"warble-events": "tweets:31"}
    return JSONResponse({"length": len(body)}, 201, headers=headers)


async def long(_: Request) -> Response:
    return JSONResponse({"text": "x" * 100_000})


async def chunked(_: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for part in (b"[1,", b"2]"):
            yield part
            await asyncio.sleep(0.01)

    return StreamingResponse(chunks(), media_type="application/json")


async def failed(_: Request) -> Response:
    problem = {"result": False, "error_type": "ServiceUnavailable", "error_message": "Later."}
    return JSONResponse(problem, 503, headers={"retry-after": "1"})


@pytest.mark.parametrize(
    "behaviour", [echo, unchanged, empty, long, chunked, refusal, failed, html]
)
async def test_a_read_has_the_same_response_both_ways(
    both_ways: Open, behaviour: Behaviour
) -> None:
    async with both_ways(feed=behaviour) as ways:
        await assert_same(ways, "GET", f"{PATH}?limit=2&a=%20b")


@pytest.mark.parametrize("behaviour", [echo, written, empty, refusal, failed, html])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", PATH, {"a": "б"}), ("POST", f"{PATH}/1/likes", None), ("DELETE", f"{PATH}/1", None)],
)
async def test_a_write_has_the_same_response_both_ways(
    both_ways: Open, behaviour: Behaviour, method: str, path: str, body: Any
) -> None:
    async with both_ways(tweets=behaviour) as ways:
        await assert_same(ways, method, path, body)


async def assert_same(ways: Ways, method: str, path: str, body: Any = None) -> None:
    """Sends the request both ways. Compares what the service and what the client get."""
    sent = {"headers": KEY | {"accept-language": "ru"}} | ({} if body is None else {"json": body})
    by_task = await ways.task.request(method, path, **sent)
    assert ways.tasks == 1
    directly = await ways.direct.request(method, path, **sent)
    assert ways.tasks == 1

    assert (directly.status_code, directly.content) == (by_task.status_code, by_task.content)
    assert _comparable(directly.headers) == _comparable(by_task.headers)
    first, second = ways.running.tweets.requests + ways.running.feed.requests
    for received in (first, second):
        for unique in ("x-request-id", "traceparent"):
            assert received["headers"].pop(unique)
    assert first == second


def _comparable(headers: httpx.Headers) -> dict[str, str]:
    """Without what belongs to one connection or to one call."""
    different = {"x-request-id", "ratelimit", "connection", "date", "transfer-encoding"}
    return {name: value for name, value in headers.items() if name not in different}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (401, "NotSignedIn")),
        ({"api-key": "wrb_mistyped"}, (401, "NotSignedIn")),
        (KEY | {"warble-user-id": "1"}, (409, "SessionChanged")),
        (
            {"cookie": "warble_session=" + "x" * 43, "origin": "http://evil"},
            (403, "CrossSiteRequest"),
        ),
        (OWN_PAGE | {"cookie": "warble_session=anything"}, (401, "NotSignedIn")),
        (
            OWN_PAGE | {"api-key": "", "cookie": "warble_session=" + "x" * 43},
            (401, "NotSignedIn"),
        ),
    ],
)
async def test_what_is_refused_with_a_task_is_refused_without_one(
    both_ways: Open, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    async with both_ways() as ways:
        for client in (ways.task, ways.direct):
            assert error(await client.post(PATH, headers=headers, json={})) == expected
        assert ways.running.tweets.requests == []


async def test_a_call_is_counted_once_whichever_way_it_goes(
    both_ways: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_READS_PER_MINUTE", "4")
    async with both_ways() as ways:
        statuses = [
            (await client.get(PATH, headers=KEY)).status_code
            for client in (ways.direct, ways.task, ways.direct, ways.direct)
        ]

    # One of the four calls of this minute prepared the gateway.
    assert statuses == [200, 200, 200, 429]


async def test_an_ended_credential_is_refused_at_once(both_ways: Open) -> None:
    async with both_ways() as ways:
        assert (await ways.direct.get(PATH, headers=KEY)).is_success
        ways.running.app._proxy._credentials.expire_person(PERSON)
        ways.running.services["users"].behaviour = refusal

        assert error(await ways.direct.get(PATH, headers=KEY)) == (401, "NotSignedIn")
        assert len(ways.running.feed.requests) == 1


def dying_once(behaviour: Behaviour) -> Behaviour:
    """Closes the connection in the middle of the second response, which is the first direct one."""
    turns = itertools.count()

    async def once(request: Request) -> Response:
        if next(turns) != 1:
            return await behaviour(request)

        async def cut() -> AsyncIterator[bytes]:
            yield b"{"
            raise ConnectionResetError

        return StreamingResponse(cut(), headers={"content-length": "100"})

    return once


async def test_a_read_whose_connection_breaks_is_repeated_elsewhere_and_a_write_is_not(
    both_ways: Open,
    unused_tcp_port_factory: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One call prepares the gateway.
    monkeypatch.setenv("GATEWAY_READS_PER_MINUTE", "2")
    mortal = FakeService(dying_once(echo), unused_tcp_port_factory())
    async with (
        mortal.running(),
        both_ways(urls={"feed": f"{mortal.url},{{own}}"}, tweets=dying_once(echo)) as ways,
    ):
        ways.running.app._proxy._upstream.replicas["feed"].advance()
        with capture_logs(processors=[merge_contextvars]) as logs:
            read = await ways.direct.get(PATH, headers=KEY | {"x-request-id": "the-request"})
        write = await ways.direct.post(PATH, headers=KEY, json={})

        assert read.is_success
        assert len(ways.running.feed.requests) == 1
        assert error(write) == (502, "BadGateway")
        assert len(ways.running.tweets.requests) == 1
    (failed,) = [line for line in logs if line["event"] == "upstream.failed"]
    assert (failed["request_id"], failed["user_id"]) == ("the-request", PERSON)


async def test_a_silent_service_is_an_error_in_time_and_occupies_no_place_for_ever(
    both_ways: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http1.client._MAX_AWAITING", 1)
    monkeypatch.setenv("GATEWAY_UPSTREAM_TIMEOUT_SECONDS", "0.5")
    turns = itertools.count()

    async def silent_once(request: Request) -> Response:
        if next(turns) == 1:
            await asyncio.sleep(2)
        return await echo(request)

    async with both_ways(feed=silent_once) as ways:
        late = await ways.direct.get(PATH, headers=KEY)
        then = await ways.direct.get(PATH, headers=KEY)

        assert error(late) == (504, "ServiceTimeout")
        assert then.is_success


async def test_a_full_service_refuses_without_a_task(
    both_ways: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with both_ways() as ways:
        monkeypatch.setattr(ways.running.app._proxy._upstream, "is_full", lambda _: True)

        refused = await ways.direct.get(PATH, headers=KEY)
        # A body would be taken for the beginning of the next response.
        reader, writer = await asyncio.open_unix_connection(ways.socket)
        writer.write(f"HEAD {PATH} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HEAD {PATH} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        next_head = await reader.readuntil(b"\r\n\r\n")
        writer.close()

        assert error(refused) == (503, "ServiceOverloaded")
        assert refused.headers["retry-after"] == "1"
        assert next_head.startswith(b"HTTP/1.1 503")
        assert ways.tasks == 0


async def test_replicas_take_turns_although_only_one_has_an_idle_connection(
    both_ways: Open, unused_tcp_port_factory: Callable[[], int]
) -> None:
    other = FakeService(echo, unused_tcp_port_factory())
    async with other.running(), both_ways(urls={"feed": f"{other.url},{{own}}"}) as ways:
        other.requests.clear()
        for _ in range(20):
            assert (await ways.direct.get(PATH, headers=KEY)).is_success

        assert len(ways.running.feed.requests) == len(other.requests) == 10


async def test_requests_that_wait_go_on_after_a_direct_response(
    both_ways: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http1.client._MAX_AWAITING", 1)
    respond = asyncio.Event()
    turns = itertools.count()

    async def slow(request: Request) -> Response:
        if next(turns) == 1:
            await respond.wait()
        return await echo(request)

    async with both_ways(feed=slow) as ways, asyncio.TaskGroup() as group:
        reads = [group.create_task(ways.direct.get(PATH, headers=KEY))]
        while not ways.running.feed.requests:
            await asyncio.sleep(0.01)
        reads += [group.create_task(ways.direct.get(PATH, headers=KEY)) for _ in range(3)]
        while ways.tasks < 3:
            await asyncio.sleep(0.01)
        respond.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            responses = [await read for read in reads]

        assert all(response.is_success for response in responses)


async def test_pipelined_requests_get_their_own_responses(both_ways: Open) -> None:
    async def numbered(request: Request) -> Response:
        number = request.query_params.get("n", "")
        await asyncio.sleep(0.01 * (number == "3"))
        return JSONResponse({"n": number, "pad": "x" * (100_000 * (number == "5"))})

    async with both_ways(feed=numbered) as ways:
        reader, writer = await asyncio.open_unix_connection(ways.socket)
        writer.write(
            b"".join(
                f"GET {PATH}?n={n} HTTP/1.1\r\nhost: x\r\napi-key: anything\r\n\r\n".encode()
                for n in range(8)
            )
        )
        received = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in range(8):
                head = await reader.readuntil(b"\r\n\r\n")
                (length,) = [
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.startswith(b"content-length")
                ]
                received.append(json.loads(await reader.readexactly(length))["n"])
        writer.close()

    assert received == [str(n) for n in range(8)]


async def test_a_client_that_leaves_costs_no_connection(both_ways: Open) -> None:
    requested, respond = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        requested.set()
        await respond.wait()
        return await echo(request)

    async with both_ways() as ways:
        ways.running.services["feed"].behaviour = slow
        _, writer = await asyncio.open_unix_connection(ways.socket)
        writer.write(f"GET {PATH} HTTP/1.1\r\nhost: x\r\napi-key: anything\r\n\r\n".encode())
        await requested.wait()
        writer.close()
        respond.set()

        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await ways.direct.get(PATH, headers=KEY)).is_success
        assert ways.tasks == 0


async def test_each_request_has_one_log_line_and_is_counted_once(
    both_ways: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    async with both_ways(feed=echo) as ways:
        labels = {"handler": PATH, "method": "GET", "status": "200"}
        before = REGISTRY.get_sample_value("http_requests_total", labels) or 0.0
        response = await ways.direct.get(PATH, headers=KEY)
        after = REGISTRY.get_sample_value("http_requests_total", labels)
        access_log.flush()

    request_id = response.headers["x-request-id"]
    lines = [line for line in capsys.readouterr().err.splitlines() if request_id in line]
    (logged,) = map(json.loads, lines)
    assert (logged["event"], logged["user_id"], logged["status"]) == ("request", PERSON, 200)
    assert after == before + 1


async def test_an_error_of_a_callback_becomes_a_response(
    both_ways: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(*_: object) -> None:
        raise RuntimeError("a defect")

    async with both_ways() as ways:
        monkeypatch.setattr(ways.running.app._proxy, "_response_headers", defective)

        assert error(await ways.direct.get(PATH, headers=KEY)) == (500, "InternalError")


async def test_a_replica_that_dies_is_replaced_by_another(
    both_ways: Open, unused_tcp_port_factory: Callable[[], int]
) -> None:
    mortal = FakeService(dying_once(echo), unused_tcp_port_factory())
    async with mortal.running(), both_ways(urls={"feed": f"{mortal.url},{{own}}"}) as ways:
        for _ in range(6):
            assert (await ways.direct.get(PATH, headers=KEY)).is_success
