"""A server that receives traces (OTLP) and error reports (Sentry)."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.waiting import PATIENCE_SECONDS


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it was received."""

    process: str
    """The service and the role, such as `feed worker`."""
    name: str
    kind: int
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    raw: str
    """The whole span, as text."""


@dataclass
class Receiver:
    port: int
    spans: list[ReceivedSpan] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    changed: Condition = field(default_factory=Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.port}/1"

    def wait_until(self, condition: Callable[[], Any]) -> None:
        """Waits until the condition is true. Raises AssertionError after a timeout."""
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_SECONDS), (
                [(span.process, span.name) for span in self.spans],
                self.reports,
            )

    def receive(self, path: str, body: bytes) -> None:
        with self.changed:
            if path == "/v1/traces":
                self.spans += _spans(ExportTraceServiceRequest.FromString(body))
            else:
                items = [json.loads(line) for line in body.decode().splitlines()]
                self.reports += [item for item in items if "exception" in item]
            self.changed.notify_all()


def _spans(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for sender in request.resource_spans:
        about = {each.key: each.value.string_value for each in sender.resource.attributes}
        for scope in sender.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    process=f"{about['service.name']} {about['warble.role']}",
                    name=span.name,
                    kind=span.kind,
                    trace_id=span.trace_id,
                    span_id=span.span_id,
                    parent_id=span.parent_span_id,
                    raw=str(span),
                )


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.receive(self.path, body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(server.server_port)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
