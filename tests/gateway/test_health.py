"""A gateway stays ready when dependencies fail, and probes take nothing from its users."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway import stream_proxy
from gateway.settings import SERVICES

from .fake_services import FakeService, StartGateway, echo, error

KEY = {"api-key": "anything"}
INTERNAL = "http://gateway:8001"
"""The port of the default GATEWAY_INTERNAL_ADDRESS."""


async def test_a_gateway_is_ready_when_everything_else_is_down(
    start_gateway: StartGateway, unused_tcp_port_factory: Callable[[], int]
) -> None:
    names = (*SERVICES, stream_proxy.SERVICE)
    nowhere = {name: f"http://127.0.0.1:{unused_tcp_port_factory()}" for name in names}
    async with start_gateway(urls={**nowhere, "users": "{own}"}) as running:
        running.client._transport.app._proxy._credentials.receives_revocations = False  # type: ignore[attr-defined]

        ready = await running.client.get(f"{INTERNAL}/health/ready")
        status = await running.client.get(f"{INTERNAL}/health/status")

        assert ready.status_code == 200
        assert status.status_code == 503
        checks = status.json()["checks"]
        assert checks == {
            **dict.fromkeys(names, "unavailable"),
            "users": "ok",
            "broker": "unavailable",
        }


async def test_a_service_with_one_silent_and_one_ready_replica_is_available(
    start_gateway: StartGateway, unused_tcp_port_factory: Callable[[], int]
) -> None:
    async def silent(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    fake_service = FakeService(silent, unused_tcp_port_factory())
    async with (
        fake_service.running(),
        start_gateway(urls={"feed": f"{fake_service.url},{{own}}"}) as running,
    ):
        assert (await running.client.get(f"{INTERNAL}/health/status")).status_code == 200


async def test_health_checks_take_no_connections_from_people(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http1.client._MAX_AWAITING", 3)
    release, received = asyncio.Event(), asyncio.Semaphore(0)

    async def slow_at_health(request: Request) -> Response:
        if request.url.path.startswith("/health/"):
            received.release()
            await release.wait()
        return await echo(request)

    async with start_gateway(feed=slow_at_health) as running:
        asking = [
            asyncio.create_task(running.client.get(f"{INTERNAL}/health/status")) for _ in range(3)
        ]
        for _ in asking:
            await received.acquire()

        read = await running.client.get("/api/tweets", headers=KEY)
        release.set()
        await asyncio.gather(*asking)

        assert read.is_success, error(read)


async def test_the_public_port_serves_only_the_liveness_check(
    start_gateway: StartGateway,
) -> None:
    forged = {"host": "gateway:8001", "x-forwarded-host": "gateway:8001", "forwarded": "for=::1"}
    async with start_gateway() as running:
        live = await running.client.get("/health/live")
        refused = [
            await running.client.request(method, path, headers={**KEY, **forged})
            for path in ("/health/ready", "/health/status", "/health/", "/metrics", "/metrics/")
            for method in ("GET", "POST")
        ]

        assert live.status_code == 200
        assert {error(response) for response in refused} == {(404, "NotFound")}
        assert all(fake_service.requests == [] for fake_service in running.services.values())


async def test_the_internal_port_serves_only_operators(start_gateway: StartGateway) -> None:
    async with start_gateway() as running:
        paths = ("/", "/docs", "/api/tweets", "/api/session", "/uploads/x.png", "/internal/keys/x")
        refused = [await running.client.get(f"{INTERNAL}{path}", headers=KEY) for path in paths]
        metrics = await running.client.get(f"{INTERNAL}/metrics")

        assert {error(response) for response in refused} == {(404, "NotFound")}
        assert "http_requests_total" in metrics.text
        assert (await running.client.get(f"{INTERNAL}/health/live")).status_code == 200
