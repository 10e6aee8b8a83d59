"""One request and its answer: what was read of the one, what was sent of the other."""

import json
import time
from functools import cache

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import Scope, Send

from chassis import access_log, telemetry
from chassis.errors import Problem, ServiceOverloaded

from . import guards, own_writes
from .limits import Header

_PASSED_ON = frozenset(
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
"""What a service gets of a request's headers; identity, addresses and ids are ours to say."""

_HANDED_BACK = telemetry.EVENTS.encode()
_UNKNOWN = "(unknown)"

REQUESTS = Counter(
    "http_requests_total", "Answers by route, method and status.", ["handler", "method", "status"]
)
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time to the end of the answer, by route and method.",
    ["handler", "method"],
    buckets=telemetry.ROUTE_SECONDS,
)


class Exchange:
    """One request and its answer: what was read of the one, what was sent of the other."""

    __slots__ = (
        "_send",
        "_started_at",
        "cookies",
        "guards",
        "handed_back",
        "handler",
        "has_body",
        "key",
        "length",
        "limited",
        "request_id",
        "scope",
        "status",
        "traceparent",
    )

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.status = 0
        self.handler = _UNKNOWN
        self.key: bytes | None = None
        self.cookies = ""
        self.handed_back = ""
        self.has_body = False
        self.length: int | None = None
        self.limited: tuple[Header, ...] = ()
        self.guards = guards.of_api(scope)
        self._send = send
        self._started_at = time.perf_counter()
        request_id = traceparent = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                request_id = value.decode("latin-1")
            elif name == b"traceparent":
                traceparent = value.decode("latin-1")
        self.request_id = telemetry.request_id(request_id)
        self.traceparent = telemetry.traceparent(traceparent)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=self.request_id)

    def read_headers(self) -> dict[str, str]:
        """The headers for the service; what is meant for us is kept here."""
        passed = {telemetry.REQUEST_ID: self.request_id, "traceparent": self.traceparent}
        for name, value in self.scope["headers"]:
            if name in _PASSED_ON:
                passed[name.decode("latin-1")] = value.decode("latin-1")
                if name == b"content-length":
                    # HTTP has zeros before it without end, Python reads some thousands of digits.
                    self.length = int(value.lstrip(b"0") or 0)
                    self.has_body = self.length > 0
                    passed["content-length"] = str(self.length)
            elif name == b"transfer-encoding":
                self.has_body = True
            elif name == b"api-key":
                self.key = value
            elif name == _HANDED_BACK:
                self.handed_back += value.decode("latin-1") + ","
            elif name == b"cookie":
                self.cookies += value.decode("latin-1") + ";"
        return passed

    def written(self) -> str:
        """The reader's own last writes, as the header and the cookie hand them back."""
        if not self.cookies:
            return self.handed_back
        return self.handed_back + cookie(self.cookies, own_writes.COOKIE)

    async def refuse(self, problem: Problem) -> None:
        if not self.status:
            await self.send_whole(problem.status, *_written(problem))

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        headers.append((b"x-request-id", self.request_id.encode()))
        headers += self.guards
        headers += self.limited
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def more(self, chunk: bytes, *, last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": not last})

    async def send_whole(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> None:
        await self.start(status, headers)
        await self.more(body, last=True)

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.perf_counter() - self._started_at

    def finish(self) -> None:
        seconds = self.seconds
        method = self.scope["method"] if self.handler != _UNKNOWN else "*"
        answers, duration = _counted(self.handler, method, self.status)
        answers.inc()
        duration.observe(seconds)
        access_log.request(self.scope["method"], self.scope["path"], self.status, seconds)


async def refuse_unrouted(scope: Scope, send: Send, problem: Problem) -> None:
    """Answers a request that no operation of the contract takes."""
    exchange = Exchange(scope, send)
    await exchange.refuse(problem)
    exchange.finish()


async def refuse_at_once(scope: Scope, send: Send, handler: str) -> None:
    """Tells that too much is asked, at half the cost of an exchange. It is counted and not logged:
    there are many just then, and nothing was begun."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    request_id = telemetry.request_id(given.decode("latin-1"))
    headers, body = _OVERLOADED
    headers = [*headers, (b"x-request-id", request_id.encode()), *guards.of_api(scope)]
    status = ServiceOverloaded.status
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    answers, duration = _counted(handler, scope["method"], status)
    answers.inc()
    duration.observe(0.0)


def _written(problem: Problem) -> tuple[list[Header], bytes]:
    body = json.dumps(problem.body(), ensure_ascii=False).encode()
    return [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        guards.NOT_KEPT,
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ], body


_OVERLOADED = _written(ServiceOverloaded())


@cache
def _counted(handler: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """What counts these answers: looking it up by its labels costs more than counting."""
    return REQUESTS.labels(handler, method, status), DURATION.labels(handler, method)


def cookie(cookies: str, wanted: str) -> str:
    for cookie in cookies.split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == wanted:
            return value
    return ""
