"""The client's side of a forwarded request: reading its headers, and sending its response.

`HttpExchange` is plain ASGI, or less (`chassis.process.direct_responses`). It also writes the log
line and the metrics of each request, which the application beside the proxy gets from middleware.
"""

import json
import time
from typing import Any

import structlog
from starlette.types import Scope, Send

from chassis.http.errors import Problem, ServiceOverloaded
from chassis.observability import access_log, metrics, request_context

from . import consistency_tokens, security_headers, sessions
from .limits import Header

_FORWARDED_REQUEST_HEADERS = frozenset(
    (
        b"accept",
        b"accept-language",
        b"content-length",
        b"content-type",
        b"idempotency-key",
        b"if-none-match",
        b"if-range",
        b"range",
    )
)
"""The only headers of a client that a service gets. The gateway sets identity and ids itself."""

_EVENTS_HEADER = request_context.EVENTS_HEADER.encode()
_EXPECTED_PERSON_HEADER = sessions.EXPECTED_PERSON_HEADER.encode()
_UNKNOWN_ROUTE = "(unknown)"


class HttpExchange:
    """One request of a client and its response: what was read from the one and sent of the other.

    The steps of `Proxy` share this instead of passing a dozen values on.
    """

    __slots__ = (
        "_events_header",
        "_handler",
        "_request_id",
        "_started_at",
        "_traceparent",
        "api_key",
        "asgi_send",
        "content_length",
        "cookies",
        "expected_person",
        "has_body",
        "limit_headers",
        "scope",
        "security_headers",
        "status",
        "user_id",
    )

    def __init__(
        self, scope: Scope, handler: str = _UNKNOWN_ROUTE, asgi_send: Send | None = None
    ) -> None:
        self.scope = scope
        self.asgi_send = asgi_send
        """None as long as the response may be sent without ASGI."""
        self.status = 0
        """The status that was sent; 0 as long as none was."""
        self.api_key: bytes | None = None
        self.cookies = ""
        self.expected_person: str | None = None
        self.has_body = False
        self.content_length: int | None = None
        self.limit_headers: tuple[Header, ...] = ()
        self.security_headers = security_headers.api_headers(scope)
        self.user_id: int | None = None
        """The caller, for the log; None while it is unknown."""
        self._handler = handler
        self._events_header = ""
        self._started_at = time.perf_counter()
        request_id = traceparent = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                request_id = value.decode("latin-1")
            elif name == b"traceparent":
                traceparent = value.decode("latin-1")
        self._request_id = request_context.request_id_or_new(request_id)
        self._traceparent = request_context.traceparent_or_new(traceparent)

    def read_headers(self) -> dict[str, str]:
        """Returns the headers for the service, and keeps those that are for the gateway."""
        forwarded = {
            request_context.REQUEST_ID_HEADER: self._request_id,
            request_context.TRACEPARENT_HEADER: self._traceparent,
        }
        for name, value in self.scope["headers"]:
            if name in _FORWARDED_REQUEST_HEADERS:
                forwarded[name.decode("latin-1")] = value.decode("latin-1")
                if name == b"content-length":
                    # HTTP allows any number of leading zeros; int() refuses too many digits.
                    self.content_length = int(value.lstrip(b"0") or 0)
                    self.has_body = self.content_length > 0
                    forwarded["content-length"] = str(self.content_length)
            elif name == b"transfer-encoding":
                self.has_body = True
            elif name == b"api-key":
                self.api_key = value
            elif name == _EVENTS_HEADER:
                self._events_header += value.decode("latin-1") + ","
            elif name == b"cookie":
                self.cookies += value.decode("latin-1") + ";"
            elif name == _EXPECTED_PERSON_HEADER:
                self.expected_person = value.decode("latin-1")
        return forwarded

    def sent_consistency_tokens(self) -> str:
        """The consistency tokens that the client sent, in the header and in the cookie."""
        if not self.cookies:
            return self._events_header
        return self._events_header + cookie_value(self.cookies, consistency_tokens.COOKIE)

    def bind_log_context(self) -> None:
        """Names request and caller in all log lines of the task that follow."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**self._log_context())

    def _log_context(self) -> dict[str, Any]:
        context: dict[str, Any] = {"request_id": self._request_id}
        if self.user_id is not None:
            context["user_id"] = self.user_id
        return context

    def complete_headers(self, status: int, headers: list[Header]) -> list[Header]:
        """Adds to a response's headers those that every response has. Notes the status."""
        self.status = status
        headers.append((b"x-request-id", self._request_id.encode()))
        headers += self.security_headers
        headers += self.limit_headers
        return headers

    async def send_problem(self, problem: Problem) -> None:
        """Does nothing if a response has started."""
        if not self.status:
            await self.send(problem.status, *serialize(problem))

    async def send(self, status: int, headers: list[Header], body: bytes) -> None:
        await self.send_head(status, headers)
        await self.send_chunk(body, last=True)

    async def send_head(self, status: int, headers: list[Header]) -> None:
        assert self.asgi_send is not None
        headers = self.complete_headers(status, headers)
        await self.asgi_send({"type": "http.response.start", "status": status, "headers": headers})

    async def send_chunk(self, chunk: bytes, *, last: bool = False) -> None:
        assert self.asgi_send is not None
        await self.asgi_send({"type": "http.response.body", "body": chunk, "more_body": not last})

    @property
    def elapsed_seconds(self) -> float:
        return time.perf_counter() - self._started_at

    def log_and_count(self) -> None:
        seconds = self.elapsed_seconds
        method = self.scope["method"] if self._handler != _UNKNOWN_ROUTE else "*"
        metrics.count_request(self._handler, method, self.status, seconds)
        access_log.log_request(
            self.scope["method"], self.scope["path"], self.status, seconds, self._log_context()
        )


async def refuse_unrouted(scope: Scope, send: Send, problem: Problem) -> None:
    """Responds to a request that matches no operation of the contract."""
    exchange = HttpExchange(scope, asgi_send=send)
    exchange.bind_log_context()
    await exchange.send_problem(problem)
    exchange.log_and_count()


async def refuse_overloaded(scope: Scope, send: Send, handler: str) -> None:
    """Responds with 503 `ServiceOverloaded`."""
    status, headers, body = overloaded(scope, handler)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def overloaded(scope: Scope, handler: str) -> tuple[int, list[Header], bytes]:
    """The response 503 `ServiceOverloaded`, at half the cost of an exchange.

    It is counted and not logged: under overload there are many, and no work was done.
    """
    values = (value for name, value in scope["headers"] if name == b"x-request-id")
    request_id = request_context.request_id_or_new(next(values, b"").decode("latin-1"))
    headers, body = _OVERLOADED
    headers = [
        *headers,
        (b"x-request-id", request_id.encode()),
        *security_headers.api_headers(scope),
    ]
    status = ServiceOverloaded.status
    metrics.count_request(handler, scope["method"], status, 0.0)
    return status, headers, body


def serialize(problem: Problem) -> tuple[list[Header], bytes]:
    """The headers and the body of its response."""
    body = json.dumps(problem.body(), ensure_ascii=False).encode()
    return [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        security_headers.NO_STORE,
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ], body


_OVERLOADED = serialize(ServiceOverloaded())


def cookie_value(cookies: str, name: str) -> str:
    """The value of one cookie in a `Cookie` header; empty if it is not there."""
    for cookie in cookies.split(";"):
        cookie_name, _, value = cookie.strip().partition("=")
        if cookie_name == name:
            return value
    return ""
