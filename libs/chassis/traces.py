"""Traces by OpenTelemetry, where the standard `OTEL_` variables ask for them; else nothing is made.

A span says what was done, by name, route and number: never a path, a query, a header or a value.
Why these are spans of our own: docs/adr/0015.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

STOP_SECONDS = 3
_TRACEPARENT = "traceparent"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

Attributes = Mapping[str, str | int]

_tracer: Tracer | None = None
_provider: "TracerProvider | None" = None
_way = TraceContextTextMapPropagator()
_NOTHING: AbstractContextManager[None] = nullcontext()


class BadTraceSettings(ValueError):
    """The `OTEL_` variables ask for what is not there; the message says what."""


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether spans are to be sent. Raises BadTraceSettings for a way that we cannot send them."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    if exporter == "none":
        return False
    addresses = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not exporter and not any(map(environment.get, addresses)):
        return False
    if exporter not in ("", "otlp"):
        raise BadTraceSettings(f"OTEL_TRACES_EXPORTER is {exporter}: give otlp or none.")
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if (environment.get(name) or "http/protobuf") != "http/protobuf":
            raise BadTraceSettings(f"{name} is {environment[name]}: only http/protobuf is there.")
    return True


def configure(service: str, role: str) -> None:
    """Has this process send its spans, if they are wanted."""
    global _tracer, _provider  # noqa: PLW0603  a process has one trace of what it does
    if _provider is not None or not wanted():
        return
    # Nobody who does without traces pays for loading these.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    about = {"warble.role": role}
    named = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if "OTEL_SERVICE_NAME" not in os.environ and "service.name=" not in named:
        about["service.name"] = service
    _provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("warble")


def on() -> bool:
    return _tracer is not None


def stop() -> None:
    """Sends what is left; a collector that is away holds the process for some seconds only."""
    if _provider is not None:
        sending = threading.Thread(target=_provider.shutdown, daemon=True)
        sending.start()
        sending.join(STOP_SECONDS)


def here() -> str | None:
    """The `traceparent` of the span that is open, to be stored or sent on."""
    if _tracer is None:
        return None
    return _written(trace.get_current_span())


def call(name: str, attributes: Attributes) -> AbstractContextManager[str | None]:
    """A span for asking somebody else, within a trace; outside of one there is none.

    Gives the `traceparent` to send along.
    """
    if _tracer is None or not _sampled():
        return _NOTHING
    return _open(_tracer, name, SpanKind.CLIENT, None, attributes)


def message(
    name: str, kind: SpanKind, parent: object, event_id: str
) -> AbstractContextManager[str | None]:
    """A span for publishing or handling an event. `parent` is the `traceparent` that came with it.

    Gives the `traceparent` to send along.
    """
    if _tracer is None:
        return _NOTHING
    attributes = {"messaging.system": "rabbitmq", "messaging.message.id": event_id}
    return _open(_tracer, name, kind, _read(parent), attributes)


def statement(sql: str, seconds: float, error: BaseException | None = None) -> None:
    """A span for a statement that has ended just now, within a trace. `sql` is without values."""
    if _tracer is None or not _sampled():
        return
    ended = time.time_ns()
    operation = sql.split(maxsplit=1)[0].upper()
    span = _tracer.start_span(
        operation,
        kind=SpanKind.CLIENT,
        start_time=ended - int(seconds * 1e9),
        attributes={"db.system.name": "postgresql", "db.query.text": sql},
    )
    if error is not None:
        _failed(span, error)
    span.end(ended)


class Requests:
    """A span for each request. It goes on in the `traceparent` that the application reads.

    `route` names the request by its pattern: the path itself may say who asks for what.
    """

    def __init__(self, app: ASGIApp, route: Callable[[Scope], str | None]) -> None:
        self._app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        skipped = scope["type"] != "http" or scope["path"].startswith(("/health", "/metrics"))
        if _tracer is None or skipped:
            await self._app(scope, receive, send)
            return
        name = _TRACEPARENT.encode()
        others = [header for header in scope["headers"] if header[0] != name]
        came = [value.decode("latin-1") for header, value in scope["headers"] if header == name]
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        parent = _read(came[0] if came else None)
        attributes = {"http.request.method": method}
        with _open(_tracer, method, SpanKind.SERVER, parent, attributes) as traceparent:
            span = trace.get_current_span()

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            scope = {**scope, "headers": [*others, (name, (traceparent or "").encode())]}
            try:
                await self._app(scope, receive, send_noted)
            finally:
                if route := self._route(scope):
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)


@contextmanager
def _open(
    tracer: Tracer, name: str, kind: SpanKind, parent: Context | None, attributes: Attributes
) -> Iterator[str | None]:
    with tracer.start_as_current_span(
        name,
        context=parent,
        kind=kind,
        attributes=attributes,
        # An error's words may be a person's.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield _written(span)
        except Exception as error:
            _failed(span, error)
            raise


def _failed(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)


def _sampled() -> bool:
    return trace.get_current_span().get_span_context().trace_flags.sampled


def _read(traceparent: object) -> Context:
    carrier = {_TRACEPARENT: traceparent} if isinstance(traceparent, str) else {}
    # Beside an empty context: what is open here already is not what the message comes from.
    return _way.extract(carrier, Context())


def _written(span: Span) -> str | None:
    carrier: dict[str, str] = {}
    _way.inject(carrier, trace.set_span_in_context(span))
    return carrier.get(_TRACEPARENT)
