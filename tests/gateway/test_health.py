"""A gateway is ready whatever is away, and probes cost its users nothing."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway.settings import SERVICES

from .neighbours import Made, echo, error

KEY = {"api-key": "anything"}


async def test_a_gateway_is_ready_whatever_else_is_away(
    edge: Made, unused_tcp_port_factory: Callable[[], int]
) -> None:
    nowhere = {name: f"http://127.0.0.1:{unused_tcp_port_factory()}" for name in SERVICES}
    async with edge(urls={**nowhere, "users": "{own}"}) as it:
        it.client._transport.app._proxy._keys.hears_revocations = False  # type: ignore[attr-defined]

        ready = await it.client.get("/health/ready")
        status = await it.client.get("/health/status")

        assert ready.status_code == 200
        assert status.status_code == 503
        checks = status.json()["checks"]
        assert checks == {**dict.fromkeys(SERVICES, "away"), "users": "ok", "broker": "away"}


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
        asking = [asyncio.create_task(it.client.get("/health/status")) for _ in range(3)]
        for _ in asking:
            await asked.acquire()

        read = await it.client.get("/api/tweets", headers=KEY)
        held.set()
        await asyncio.gather(*asking)

        assert read.is_success, error(read)
