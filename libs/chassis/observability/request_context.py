"""The request id and the trace id that follow one request through all processes.

The gateway gives every request an id (`x-request-id`) and a W3C trace context (`traceparent`). Each
process binds both to structlog's context variables while it works for the request, so every log
line and every error report carries the request id. The ids travel on in two ways.
`propagation_headers` puts them into HTTP requests to other services. The outbox stores them with
each event, the relay copies them into the message, and the consumer binds them again. So one id
finds everything that a request caused, in every service.

A client may send its own ids. An id that is not safe to log is replaced, so that nobody can write
line breaks or megabytes into the log.
"""

import os
import random
import re
import secrets
import time
from collections.abc import Mapping

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.observability import access_log, metrics

REQUEST_ID_HEADER = "x-request-id"
TRACEPARENT_HEADER = "traceparent"
EVENTS_HEADER = "warble-events"
"""The response header that names the events of a write, so that its author can read it back."""

_NO_ROUTE = "none"
"""The `handler` in metrics of requests that no route matches."""

_random = random.Random()  # noqa: S311  ids must be unique, not secret


def _seed() -> None:
    _random.seed(secrets.randbits(256))


_seed()
# Forked processes would otherwise give out the same ids.
os.register_at_fork(after_in_child=_seed)

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def new_request_id() -> str:
    return f"{_random.getrandbits(64):016x}"


def request_id_or_new(text: str | None) -> str:
    """The given id if it is safe to log, otherwise a new one."""
    return text if text and _REQUEST_ID.fullmatch(text) else new_request_id()


def new_traceparent() -> str:
    """A new trace that is not sampled (W3C Trace Context, level 1)."""
    return f"00-{_random.getrandbits(128):032x}-{_random.getrandbits(64):016x}-00"


def traceparent_or_new(text: str | None) -> str:
    """The given `traceparent` if it is well-formed, otherwise a new one."""
    return text if text and _TRACEPARENT.fullmatch(text) else new_traceparent()


def propagation_headers() -> dict[str, str]:
    """The headers by which another service works under the current request id and trace."""
    context = structlog.contextvars.get_contextvars()
    headers = {
        REQUEST_ID_HEADER: context.get("request_id"),
        TRACEPARENT_HEADER: context.get("traceparent"),
    }
    return {name: value for name, value in headers.items() if value}


def bind_request(headers: Mapping[bytes, bytes]) -> str:
    """Names the request in all log lines that follow. Returns its id."""
    request_id = request_id_or_new(headers.get(b"x-request-id", b"").decode("latin-1"))
    traceparent = traceparent_or_new(headers.get(b"traceparent", b"").decode("latin-1"))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id, traceparent=traceparent)
    return request_id


class RequestContext:
    """Binds the request's ids, logs and counts it, and names its events in the response.

    This is plain ASGI middleware, not Starlette's BaseHTTPMiddleware: it changes the first message
    of a response and passes all other messages on untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = bind_request(dict(scope["headers"]))
        state = scope.setdefault("state", {})
        started_at = time.perf_counter()
        status = 500

        async def send_with_context(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                ]
                if state.get("events") and status < 400:
                    events = ",".join(str(event) for event in state["events"])
                    message["headers"].append((EVENTS_HEADER.encode(), events.encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_with_context)
        finally:
            if not scope["path"].startswith(("/health", "/metrics")):
                seconds = time.perf_counter() - started_at
                method, path = scope["method"], scope["path"]
                route = getattr(scope.get("route"), "path_format", None)
                metrics.count_request(route or _NO_ROUTE, method, status, seconds)
                if path.startswith("/internal/"):
                    # Paths of calls between services hold digests of keys.
                    path = route or "/internal/"
                context = structlog.contextvars.get_contextvars()
                access_log.log_request(method, path, status, seconds, context)
