"""A gateway is ready whatever is away, and probes cost its users nothing."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway.settings import SERVICES

from .neighbours import Made, Neighbour, echo, error

KEY = {"api-key": "anything"}
INTERNAL = "http://gateway:8001"
"""The request comes to the port of the default GATEWAY_INTERNAL_ADDRESS."""


async def test_a_gateway_is_ready_whatever_else_is_away(
    edge: Made, unused_tcp_port_factory: Callable[[], int]
) -> None:
    nowhere = {name: f"http://127.0.0.1:{unused_tcp_port_factory()}" for name in SERVICES}
    async with edge(urls={**nowhere, "users": "{own}"}) as it:
        it.client._transport.app._proxy._keys.hears_revocations = False  # type: ignore[attr-defined]

        ready = await it.client.get(f"{INTERNAL}/health/ready")
        status = await it.client.get(f"{INTERNAL}/health/status")

        assert ready.status_code == 200
        assert status.status_code == 503
        checks = status.json()["checks"]
        assert checks == {**dict.fromkeys(SERVICES, "away"), "users": "ok", "broker": "away"}


async def test_a_service_with_a_silent_replica_and_a_ready_one_is_not_away(
    edge: Made, unused_tcp_port_factory: Callable[[], int]
) -> None:
    async def silent(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    neighbour = Neighbour(silent, unused_tcp_port_factory())
    async with neighbour.running(), edge(urls={"feed": f"{neighbour.url},{{own}}"}) as it:
        assert (await it.client.get(f"{INTERNAL}/health/status")).status_code == 200


async def test_questions_for_the_status_take_no_room_from_people(
    edge: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http1.client._WAITING", 3)
    held, asked = asyncio.Event(), asyncio.Semaphore(0)

    async def slow_at_health(request: Request) -> Response:
        if request.url.path.startswith("/health/"):
            asked.release()
            await held.wait()
        return await echo(request)

    async with edge(feed=slow_at_health) as it:
        asking = [asyncio.create_task(it.client.get(f"{INTERNAL}/health/status")) for _ in range(3)]
        for _ in asking:
            await asked.acquire()

        read = await it.client.get("/api/tweets", headers=KEY)
        held.set()
        await asyncio.gather(*asking)

        assert read.is_success, error(read)


async def test_the_public_port_tells_strangers_no_more_than_that_the_gateway_lives(
    edge: Made,
) -> None:
    forged = {"host": "gateway:8001", "x-forwarded-host": "gateway:8001", "forwarded": "for=::1"}
    async with edge() as it:
        live = await it.client.get("/health/live")
        refused = [
            await it.client.request(method, path, headers={**KEY, **forged})
            for path in ("/health/ready", "/health/status", "/health/", "/metrics", "/metrics/")
            for method in ("GET", "POST")
        ]

        assert live.status_code == 200
        assert {error(answer) for answer in refused} == {(404, "NotFound")}
        assert all(neighbour.asked == [] for neighbour in it.neighbours.values())


async def test_the_internal_port_answers_operators_alone(edge: Made) -> None:
    async with edge() as it:
        paths = ("/", "/docs", "/api/tweets", "/api/session", "/uploads/x.png", "/internal/keys/x")
        refused = [await it.client.get(f"{INTERNAL}{path}", headers=KEY) for path in paths]
        metrics = await it.client.get(f"{INTERNAL}/metrics")

        assert {error(answer) for answer in refused} == {(404, "NotFound")}
        assert "http_requests_total" in metrics.text
        assert (await it.client.get(f"{INTERNAL}/health/live")).status_code == 200
