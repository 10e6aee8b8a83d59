"""Traces with OpenTelemetry, if the standard `OTEL_` variables turn them on.

A span describes work by names, route patterns and numbers. It never contains a path, a query, a
header or a value, because those may be secret or personal. This is one reason why this module
creates all spans itself, instead of OpenTelemetry's instrumentation libraries; docs/adr/0015 has
the others.

If traces are off, the functions here return at once, and the SDK is not even imported.
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

STOP_TIMEOUT_SECONDS = 3
_TRACEPARENT = "traceparent"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

Attributes = Mapping[str, str | int]

_tracer: Tracer | None = None
_provider: "TracerProvider | None" = None
_propagator = TraceContextTextMapPropagator()
_NO_SPAN: AbstractContextManager[None] = nullcontext()


class BadTraceSettings(ValueError):
    """The `OTEL_` variables request something that is not supported. The message names it."""


def is_configured(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment turns traces on.

    Raises BadTraceSettings for an exporter or a protocol that is not supported.
    """
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    if exporter == "none":
        return False
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not exporter and not any(map(environment.get, endpoints)):
        return False
    if exporter not in ("", "otlp"):
        raise BadTraceSettings(f"OTEL_TRACES_EXPORTER is {exporter}: use otlp or none.")
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if (environment.get(name) or "http/protobuf") != "http/protobuf":
            raise BadTraceSettings(f"{name} is {environment[name]}: use http/protobuf.")
    return True


def configure(service: str, role: str) -> None:
    """Turns traces on for this process, if the environment says so."""
    global _tracer, _provider  # noqa: PLW0603  a process has one tracer
    if _provider is not None or not is_configured():
        return
    # Imported here, so that a process without traces does not pay for it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = {"warble.role": role}
    attributes = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if "OTEL_SERVICE_NAME" not in os.environ and "service.name=" not in attributes:
        resource["service.name"] = service
    _provider = TracerProvider(resource=Resource.create(resource), shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("warble")


def is_enabled() -> bool:
    return _tracer is not None


def stop() -> None:
    """Sends the remaining spans. Gives up on a collector that does not respond in time."""
    if _provider is not None:
        shutdown = threading.Thread(target=_provider.shutdown, daemon=True)
        shutdown.start()
        shutdown.join(STOP_TIMEOUT_SECONDS)


def current_traceparent() -> str | None:
    """The `traceparent` of the current span, to be stored or sent on."""
    if _tracer is None:
        return None
    return _traceparent_of(trace.get_current_span())


def client_span(name: str, attributes: Attributes) -> AbstractContextManager[str | None]:
    """A span for a call to another service or system. Gives the `traceparent` to send along.

    Does nothing outside of a sampled trace.
    """
    if _tracer is None or not _is_sampled():
        return _NO_SPAN
    return _start_span(_tracer, name, SpanKind.CLIENT, None, attributes)


def message_span(
    name: str, kind: SpanKind, parent: object, event_id: str
) -> AbstractContextManager[str | None]:
    """A span for publishing or handling an event. Gives the `traceparent` to send along.

    `parent` is the `traceparent` of the event. Whatever is not a valid one is ignored.
    """
    if _tracer is None:
        return _NO_SPAN
    attributes = {"messaging.system": "rabbitmq", "messaging.message.id": event_id}
    return _start_span(_tracer, name, kind, _parent_context(parent), attributes)


def record_statement(sql: str, seconds: float, error: BaseException | None = None) -> None:
    """Adds a span for a statement that has just ended. `sql` must not contain values.

    Does nothing outside of a sampled trace.
    """
    if _tracer is None or not _is_sampled():
        return
    ended_at = time.time_ns()
    operation = sql.split(maxsplit=1)[0].upper()
    span = _tracer.start_span(
        operation,
        kind=SpanKind.CLIENT,
        start_time=ended_at - int(seconds * 1e9),
        attributes={"db.system.name": "postgresql", "db.query.text": sql},
    )
    if error is not None:
        _mark_failed(span, error)
    span.end(ended_at)


class TracingMiddleware:
    """Creates a span for each request, and makes it the parent of the application's own spans.

    To this end it replaces the `traceparent` header that the application reads. `route` gives the
    route's pattern, which names the span; the path itself may contain secrets.
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
        other_headers = [header for header in scope["headers"] if header[0] != name]
        given = [value.decode("latin-1") for header, value in scope["headers"] if header == name]
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        parent = _parent_context(given[0] if given else None)
        attributes = {"http.request.method": method}
        with _start_span(_tracer, method, SpanKind.SERVER, parent, attributes) as traceparent:
            span = trace.get_current_span()

            async def send_with_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            scope = {**scope, "headers": [*other_headers, (name, (traceparent or "").encode())]}
            try:
                await self._app(scope, receive, send_with_status)
            finally:
                if route := self._route(scope):
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)


@contextmanager
def _start_span(
    tracer: Tracer, name: str, kind: SpanKind, parent: Context | None, attributes: Attributes
) -> Iterator[str | None]:
    with tracer.start_as_current_span(
        name,
        context=parent,
        kind=kind,
        attributes=attributes,
        # The message of an error may contain a person's text.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield _traceparent_of(span)
        except Exception as error:
            _mark_failed(span, error)
            raise


def _mark_failed(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)


def _is_sampled() -> bool:
    return trace.get_current_span().get_span_context().trace_flags.sampled


def _parent_context(traceparent: object) -> Context:
    carrier = {_TRACEPARENT: traceparent} if isinstance(traceparent, str) else {}
    # Starts from an empty context, because the current span did not cause the message.
    return _propagator.extract(carrier, Context())


def _traceparent_of(span: Span) -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span))
    return carrier.get(_TRACEPARENT)
