"""The gateway and its neighbours: real servers whose behaviour a test decides."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests.waiting import PATIENCE_SECONDS

OWNER = {
    "user_id": 7,
    "scope": "account",
    "key_id": 1,
    "session_id": None,
    "key_expires_at": None,
    "seconds_left": None,
}
"""What users answers about a key."""

Behaviour = Callable[[Request], Awaitable[Response]]


class Neighbour:
    """A server that keeps what it was asked."""

    def __init__(self, behaviour: Behaviour, port: int) -> None:
        self.behaviour = behaviour
        self.port = port
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        self.asked.append(
            {
                "method": scope["method"],
                "target": scope["raw_path"].decode() + "?" + scope["query_string"].decode(),
                "headers": dict(request.headers),
            }
        )
        response = await self.behaviour(request)
        await response(scope, receive, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Neighbour"]:
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


class Neighbours:
    """Running servers, which one test after another uses."""

    def __init__(self, running: contextlib.AsyncExitStack, unused_port: Callable[[], int]) -> None:
        self._running = running
        self._unused_port = unused_port
        self._idle: list[Neighbour] = []

    @contextlib.asynccontextmanager
    async def behaving(self, behaviour: Behaviour) -> AsyncIterator[Neighbour]:
        """A server that was asked nothing yet."""
        if not self._idle:
            started = Neighbour(behaviour, self._unused_port())
            self._idle.append(await self._running.enter_async_context(started.running()))
        neighbour = self._idle.pop()
        neighbour.behaviour, neighbour.asked = behaviour, []
        try:
            yield neighbour
        finally:
            self._idle.append(neighbour)


class Edge:
    """A gateway in this process, between a client and neighbours that are real servers."""

    def __init__(self, client: httpx.AsyncClient, neighbours: dict[str, Neighbour]) -> None:
        self.client = client
        self.neighbours = neighbours

    def __getattr__(self, service: str) -> Neighbour:
        return self.neighbours[service]


Made = Callable[..., contextlib.AbstractAsyncContextManager[Edge]]


def error(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body.keys() - {"error_details"} == {"result", "error_type", "error_message"}
    return answer.status_code, body["error_type"]


async def echo(request: Request) -> Response:
    """Says what came; the body as text."""
    body = await request.body()
    return JSONResponse({"result": True, "length": len(body)})


async def owner_of_any_key(request: Request) -> Response:
    """Users, for which every key and every session is person 7's."""
    if request.method == "POST":
        return JSONResponse({"seconds": 2_592_000}, 201)
    return JSONResponse(OWNER)


async def html(request: Request) -> Response:
    return Response("<h1>Traceback at 10.0.0.7</h1>", 500, media_type="text/html")


async def refusal(request: Request) -> Response:
    body = {"result": False, "error_type": "TweetNotFound", "error_message": "None."}
    return Response(json.dumps(body), 404, media_type="application/json")
