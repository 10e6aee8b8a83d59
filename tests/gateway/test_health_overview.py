"""Administrators see the state of all services at a glance, also while some do not answer."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.settings import SERVICES

from .fake_services import OWNER, Behaviour, StartGateway, error

KEY = {"api-key": "a key"}
QUIET = {
    "unpublished": 0,
    "oldest_unpublished_at": None,
    "unhandled": 0,
    "dead_letters": 0,
    "consumers": 1,
}


def reporting(scope: str = "admin", **backlog: Any) -> Behaviour:
    async def behaviour(request: Request) -> Response:
        if request.url.path.startswith("/internal/keys/"):
            return JSONResponse({**OWNER, "scope": scope})
        if request.url.path == "/health/ready":
            return JSONResponse({})
        assert request.url.path == "/internal/backlog"
        return JSONResponse({**QUIET, **backlog})

    return behaviour


async def test_a_system_at_rest_is_healthy(start_gateway: StartGateway) -> None:
    async with start_gateway(**{name: reporting() for name in SERVICES}) as running:
        response = await running.client.get("/api/health", headers=KEY)

    assert response.json() == {
        "result": True,
        "healthy": True,
        "broker": True,
        "services": {name: {"ready": True, **QUIET} for name in SERVICES},
    }


async def test_failed_events_silent_services_and_missing_workers_are_not_healthy(
    start_gateway: StartGateway, unused_tcp_port_factory: Callable[[], int]
) -> None:
    behaviours = {name: reporting() for name in SERVICES} | {
        "feed": reporting(dead_letters=3, unpublished=None),
        "tweets": reporting(consumers=0),
    }
    nowhere = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with start_gateway(urls={"media": nowhere}, **behaviours) as running:
        body = (await running.client.get("/api/health", headers=KEY)).json()

    services = body["services"]
    assert body["healthy"] is False
    assert (services["feed"]["dead_letters"], services["feed"]["unpublished"]) == (3, None)
    assert services["tweets"]["consumers"] == 0
    assert services["media"] == {"ready": False, **dict.fromkeys(QUIET)}


async def test_only_administrators_see_the_health(start_gateway: StartGateway) -> None:
    async with start_gateway(users=reporting(scope="account")) as running:
        response = await running.client.get("/api/health", headers=KEY)

    assert error(response) == (403, "NotAnAdministrator")
