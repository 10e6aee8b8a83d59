"""`GET /api/stream` in plain ASGI, beside the FastAPI application with health checks and metrics.

A request passes no middleware, because each would stay in memory as long as the stream is open. Its
coroutine sends the beginning, gives the response to the dispatcher, and waits for the client to
disconnect.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, FastAPI, Header, Query, Response
from starlette.types import Receive, Scope, Send

from chassis.auth.identity import IDENTITY_HEADER, Verifier
from chassis.database import clock
from chassis.database.session import Database
from chassis.http import event_stream
from chassis.http.errors import (
    InvalidRequest,
    MethodNotAllowed,
    Problem,
    ServiceOverloaded,
    responses,
)
from chassis.http.paging import MAX_ID
from chassis.observability import access_log, request_context
from chassis.process import app
from chassis.process.background_loops import run_forever
from chassis.task_cancellation import cancel_tasks

from ..settings import Settings
from . import notices
from .connections import CLOSED, MAX_THREADS, MAX_TWEETS, Connection, Interests
from .dispatcher import Dispatcher

PATH = "/api/stream"
_EVENT = {
    "type": "object",
    "description": "One event. Its `data` is a JSON object.",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
    "examples": [
        {
            "id": "4711",
            "event": "tweet",
            "data": '{"tweet":31,"author":7,"root":null,"parent":null,"event":"tweets:31"}',
        }
    ],
}
_LAST_EVENT_ID = b"last-event-id"

documentation = APIRouter(tags=["notifications"])
"""Describes the operation in the OpenAPI document. `StreamProcess` serves it, without FastAPI."""


@documentation.get(
    PATH,
    summary="Receive what concerns you at once, as a stream of events",
    response_class=Response,
    responses={
        200: {
            "description": "The stream, which stays open.",
            "content": {"text/event-stream": {"schema": _EVENT}},
        },
        **responses(ServiceOverloaded),
    },
)
async def stream(
    after: Annotated[
        int | None,
        Query(ge=0, le=MAX_ID, description="Go on after the event with this `id`."),
    ] = None,
    tweets: Annotated[
        str, Query(description="As in `POST /api/stream/watching`, such as `31,32`.")
    ] = "",
    threads: Annotated[str, Query(description="Likewise.")] = "",
    everyone: Annotated[bool, Query(description="Likewise.")] = False,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, le=MAX_ID, description="Like `after`; browsers send it by themselves."),
    ] = None,
) -> Response:
    """A stream of Server-Sent Events. An event tells what has changed, in ids and numbers; read the
    content with the other calls. Tweets are those of people and hashtags that you follow, your own,
    and those in threads on the screen.

    | event | data |
    |---|---|
    | `welcome` | `stream`: the name of this stream for `POST /api/stream/watching`; `position` |
    | `tweet` | a new tweet: `tweet`, `author`, `root`, `parent`, `event` |
    | `deleted` | a deleted tweet: `tweet`, `author`, `root`, `event` |
    | `counts` | a tweet on the screen: `tweet`, `likes`, `replies` |
    | `notification` | a new notification: `group`, `kind`, `seq`, `unread` |
    | `unread` | your unread notifications: `count`, `seen` |
    | `resync` | events are missing, because you were away for too long: read everything again |
    | `ended` | your key or session has ended, and so does the stream |

    The `id` of an event is a position: a client that comes back with it, as `Last-Event-ID` or
    `after`, gets everything that it has missed, once. A comment every 15 seconds shows that the
    connection works. A read includes the change of a notice for certain if it sends the `event` of
    the notice in the header `warble-events`.

    A person may have 10 streams; one more closes the oldest. A client that does not read is
    disconnected. `retry` tells how many milliseconds to wait before coming back.
    """
    raise NotImplementedError


def create(settings: Settings) -> "StreamProcess":
    database = Database(settings)
    dispatcher = Dispatcher(database, database.create_pool(settings.stream_pool_size))
    verifier = Verifier(settings.identity_public_key, settings.service)
    loops = {
        "listen": dispatcher.listen,
        "dispatch": dispatcher.dispatch,
        "admit": dispatcher.admit,
        "beat": dispatcher.beat,
        "clock": lambda: clock.synchronize_periodically(database),
        "unused_connections": database.close_unused_connections,
    }

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await clock.synchronize(database)
        running = [asyncio.create_task(run_forever(name, loop)) for name, loop in loops.items()]
        try:
            yield
        finally:
            await cancel_tasks(*running)
            await database.close()

    async def check_started() -> None:
        _ = dispatcher.position

    checks = {"database": database.check, "log": check_started}
    application = app.base_app(settings, "stream", lifespan, checks, checks)
    return StreamProcess(application, dispatcher, verifier, settings.max_streams)


class StreamProcess:
    """The ASGI application of the process."""

    def __init__(
        self, application: FastAPI, dispatcher: Dispatcher, verifier: Verifier, max_streams: int
    ) -> None:
        self.application = application
        self._dispatcher = dispatcher
        self._verifier = verifier
        self._max_streams = max_streams
        self._is_draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self.application(scope, receive, send)
            return
        started_at = time.perf_counter()
        status = 200
        try:
            connection = self._connection(scope, send)
        except Problem as problem:
            status = problem.status
            await _refuse(send, problem)
        else:
            head = {"type": "http.response.start", "status": 200}
            await send({**head, "headers": list(event_stream.HEADERS)})
            welcome = {"stream": connection.token, "position": connection.position}
            await send(notices.event(connection.position, "welcome", welcome))
        seconds = time.perf_counter() - started_at
        headers = dict(scope["headers"])
        request_id = request_context.request_id_or_new(
            headers.get(b"x-request-id", b"").decode("latin-1")
        )
        fields = {"method": scope["method"], "path": PATH, "status": status}
        fields |= {"ms": round(seconds * 1000, 1), "request_id": request_id}
        access_log.write("request", fields)
        if status == 200:
            del headers, fields, welcome
            event_stream.free_scope(scope)
            await self._serve(connection, receive)

    def _connection(self, scope: Scope, send: Send) -> Connection:
        """The stream that is requested. Raises Problem."""
        headers = dict(scope["headers"])
        token = headers.get(IDENTITY_HEADER.encode(), b"").decode("latin-1")
        identity = self._verifier.verify(token)
        if scope["method"] != "GET":
            raise MethodNotAllowed("GET")
        identity.require_person("GET")
        if self._is_draining or self._dispatcher.stream_count >= self._max_streams:
            raise ServiceOverloaded
        query = parse_qs(scope["query_string"].decode("latin-1"))
        position = self._dispatcher.position
        # A browser that connects again by itself repeats the URL, and adds the header.
        for after in (
            query.get("after", [""])[0],
            headers.get(_LAST_EVENT_ID, b"").decode("latin-1"),
        ):
            if after:
                position = _number(after, 0)
        interests = Interests(
            _numbers(query, "tweets", MAX_TWEETS),
            _numbers(query, "threads", MAX_THREADS),
            _flag(query.get("everyone", ["0"])[0]),
        )
        return Connection(identity.user_id, send, position, interests)

    async def _serve(self, connection: Connection, receive: Receive) -> None:
        self._dispatcher.join(connection)
        try:
            await event_stream.wait_for_disconnect(receive)
        except asyncio.CancelledError:
            if not connection.closed:
                raise
        finally:
            self._dispatcher.leave(connection)
            CLOSED.labels(connection.closed or "client").inc()

    async def drain(self) -> None:
        """`chassis serve` calls this when the process stops."""
        self._is_draining = True
        await self._dispatcher.drain()


_FLAGS = {"1": True, "true": True, "0": False, "false": False}


def _numbers(query: dict[str, list[str]], name: str, most: int) -> frozenset[int]:
    """The ids in a parameter such as `tweets=1,2`. Raises InvalidRequest."""
    found = [item for item in query.get(name, [""])[0].split(",") if item]
    if len(found) > most:
        raise InvalidRequest(reason=f"{name}: at most {most} ids.")
    return frozenset(_number(item, 1) for item in found)


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        raise InvalidRequest(reason="everyone: Send 1 or 0.")
    return _FLAGS[text]


def _number(text: str, least: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= MAX_ID:
        return int(text)
    raise InvalidRequest(reason="A position or id is not a valid number.")


async def _refuse(send: Send, problem: Problem) -> None:
    body = json.dumps(problem.body(), ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
