"""What an operator sees: logs, metrics and error reports, with one request id from end to end."""

import logging
import logging.config
import random
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from aio_pika.abc import AbstractIncomingMessage
from fastapi import FastAPI
from prometheus_client import Counter, Gauge, Histogram
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import access_log, reports
from .settings import ProcessSettings

REQUEST_ID = "x-request-id"
TRACEPARENT = "traceparent"
EVENTS = "warble-events"
"""The response header that names the events of a write, for reading one's own writes."""

OCCURRED_AT = "occurred_at_ms"
"""The message header with the moment of the change: whole milliseconds of the epoch, since the
client writes a float with 32 bits, which is right to two minutes."""

ROUTE_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""The bounds by which a route's answers are counted, in the services and at the gateway alike."""

EVENTS_PUBLISHED = Counter(
    "warble_events_published_total", "Events that the broker confirmed.", ["routing_key"]
)
EVENTS_HANDLED = Counter(
    "warble_events_handled_total", "Events whose handling was committed.", ["routing_key"]
)
EVENTS_RETRIED = Counter(
    "warble_events_retried_total", "Events put aside to be tried again.", ["routing_key"]
)
EVENTS_DEAD_LETTERED = Counter(
    "warble_events_dead_lettered_total", "Events buried after the last try.", ["routing_key"]
)
EVENT_AGE_SECONDS = Histogram(
    "warble_event_age_seconds",
    "Time from an event's change to the end of its handling.",
    ["routing_key"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300),
)
OUTBOX_PENDING = Gauge("warble_outbox_pending_events", "Events that are not yet published.")
OUTBOX_OLDEST_SECONDS = Gauge(
    "warble_outbox_oldest_age_seconds", "Age of the oldest event that is not yet published."
)

_chance = random.Random(secrets.randbits(256))  # noqa: S311  ids are unlike each other, no secrets
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def configure(settings: ProcessSettings, role: str) -> None:
    """Sets up logs and error reports for this process. `role` is `api` or `worker`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    as_text = access_log.as_text(settings)
    rendering: list[Any] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The pretty one shows what the variables hold: keys and texts among it.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                _name_process(settings.service, role),
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *rendering,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    for chatty in ("aio_pika", "aiormq", "alembic", "httpx", "httpcore", "sqlalchemy"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    access_log.configure(settings, role)
    reports.configure(settings, role)


def _name_process(service: str, role: str) -> Any:
    def name(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        return {"service": service, "role": role, **event}

    return name


def new_request_id() -> str:
    return f"{_chance.getrandbits(64):016x}"


def request_id(text: str | None) -> str:
    """The given id where it is fit to be logged, else a new one."""
    return text if text and _ID.fullmatch(text) else new_request_id()


def new_traceparent() -> str:
    """W3C Trace Context, level 1: a new trace, not sampled."""
    return f"00-{_chance.getrandbits(128):032x}-{_chance.getrandbits(64):016x}-00"


def traceparent(text: str | None) -> str:
    """The given one where it is well-formed, else a new one."""
    return text if text and _TRACEPARENT.fullmatch(text) else new_traceparent()


def onward() -> dict[str, str]:
    """The headers that have a neighbour's work belong to the same request and the same trace."""
    context = structlog.contextvars.get_contextvars()
    said = {REQUEST_ID: context.get("request_id"), TRACEPARENT: context.get("traceparent")}
    return {name: value for name, value in said.items() if value}


@contextmanager
def message_context(message: AbstractIncomingMessage) -> Iterator[None]:
    """Log lines within carry the message's event and the request that it comes from."""
    with structlog.contextvars.bound_contextvars(**named(message)):
        yield


def named(message: AbstractIncomingMessage) -> dict[str, Any]:
    """What a log line says of a message: its event, and the request that it comes from."""
    return {
        "event_id": message.message_id,
        "routing_key": message.type,
        "request_id": message.headers.get("request_id"),
        "traceparent": message.headers.get("traceparent"),
    }


class RequestContext:
    """One log line a request, its id in every line, and the written events in the answer.

    Bare ASGI: it wraps the first message of an answer and passes the others on untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        identifier = request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            request_id=identifier,
            traceparent=traceparent(headers.get(b"traceparent", b"").decode("latin-1")),
        )
        state = scope.setdefault("state", {})
        started = time.perf_counter()
        status = 500

        async def send_with_context(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", identifier.encode()),
                ]
                if state.get("events") and status < 400:
                    events = ",".join(str(event) for event in state["events"])
                    message["headers"].append((EVENTS.encode(), events.encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_with_context)
        finally:
            if not scope["path"].startswith(("/health", "/metrics")):
                seconds = time.perf_counter() - started
                access_log.request(scope["method"], _logged_path(scope), status, seconds)


def _logged_path(scope: Scope) -> str:
    """What neighbours ask of each other is logged by its pattern: they ask by digests of keys."""
    path: str = scope["path"]
    if path.startswith("/internal/"):
        return getattr(scope.get("route"), "path_format", "/internal/")
    return path


def instrument(app: FastAPI) -> None:
    """Serves `/metrics` with the rate, the errors and the duration of each route."""
    Instrumentator(
        excluded_handlers=["/metrics", "/health/.*"], should_group_status_codes=False
    ).instrument(app, latency_lowr_buckets=ROUTE_SECONDS).expose(app, include_in_schema=False)
