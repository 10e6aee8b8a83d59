"""Real servers in place of the services; each test decides how they behave."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests.waiting import PATIENCE_SECONDS

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

PERSON = 9_000_000_007 + 10_000 * _WORKER
"""Revocations of all tests reach these gateways, so nobody else has this id: no real person, and
nobody in the tests of another worker."""

OWNER = {
    "user_id": PERSON,
    "scope": "account",
    "key_id": 1,
    "session_id": None,
    "key_expires_at": None,
    "seconds_left": None,
}
"""The response of users to a look-up of a key."""

Behaviour = Callable[[Request], Awaitable[Response]]


class FakeService:
    """A server that records the requests that it gets."""

    def __init__(self, behaviour: Behaviour, port: int) -> None:
        self.behaviour = behaviour
        self.port = port
        self.requests: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        self.requests.append(
            {
                "method": scope["method"],
                "target": scope["raw_path"].decode() + "?" + scope["query_string"].decode(),
                "headers": dict(request.headers),
            }
        )
        response = await self.behaviour(request)
        await response(scope, receive, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeService"]:
        config = uvicorn.Config(
            self, host="127.0.0.1", port=self.port, log_config=None, lifespan="off"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not server.started:
                await asyncio.wait([serving], timeout=0.01)
        try:
            yield self
        finally:
            server.should_exit = True
            server.force_exit = True
            await serving


class FakeServices:
    """Servers that stay running and are reused by one test after another."""

    def __init__(self, running: contextlib.AsyncExitStack, unused_port: Callable[[], int]) -> None:
        self._running = running
        self._unused_port = unused_port
        self._idle: list[FakeService] = []

    @contextlib.asynccontextmanager
    async def running_with(self, behaviour: Behaviour) -> AsyncIterator[FakeService]:
        """A server without recorded requests."""
        if not self._idle:
            started = FakeService(behaviour, self._unused_port())
            self._idle.append(await self._running.enter_async_context(started.running()))
        fake_service = self._idle.pop()
        fake_service.behaviour, fake_service.requests = behaviour, []
        try:
            yield fake_service
        finally:
            self._idle.append(fake_service)


class RunningGateway:
    """A gateway in this process, between a client and fake services."""

    def __init__(
        self, app: Any, client: httpx.AsyncClient, fake_services: dict[str, FakeService]
    ) -> None:
        self.app = app
        self.client = client
        self.services = fake_services

    def __getattr__(self, service: str) -> FakeService:
        return self.services[service]


StartGateway = Callable[..., contextlib.AbstractAsyncContextManager[RunningGateway]]


def error(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert body.keys() - {"error_details"} == {"result", "error_type", "error_message"}
    return response.status_code, body["error_type"]


async def echo(request: Request) -> Response:
    """Responds with the length of the body."""
    body = await request.body()
    return JSONResponse({"result": True, "length": len(body)})


async def owner_of_any_key(request: Request) -> Response:
    """The users service, in which every key and session belongs to PERSON."""
    if request.method == "POST":
        return JSONResponse({"seconds": 2_592_000}, 201)
    return JSONResponse(OWNER)


async def html(request: Request) -> Response:
    return Response("<h1>Traceback at 10.0.0.7</h1>", 500, media_type="text/html")


async def refusal(request: Request) -> Response:
    body = {"result": False, "error_type": "TweetNotFound", "error_message": "None."}
    return Response(json.dumps(body), 404, media_type="application/json")
