"""The hot path: plain ASGI, from the request to the service and back, with nothing held whole."""

import json
import time
from functools import cache

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from chassis import access_log, reports, telemetry
from chassis.errors import (
    BadGateway,
    InternalError,
    NotSignedIn,
    PayloadTooLarge,
    Problem,
    ServiceOverloaded,
)
from chassis.identity import HEADER, Identity, Signer

from . import own_writes, session
from .http1 import Broken, Silent
from .keys import Keys, digest_of
from .own_writes import OwnWrites
from .routes import Route, Routes, WrongMethod
from .session import CrossSiteRequest, Sessions
from .settings import Settings
from .upstream import Answer, Body, ClientGone, Upstream

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

_HELD_BACK = frozenset(
    (
        b"connection",
        b"date",
        b"keep-alive",
        b"server",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    )
)
"""What of an answer's headers is between the service and us (RFC 9110, 7.6.1), or ours to say."""

_READING = ("GET", "HEAD")
_FEED = "feed"
_HANDED_BACK = telemetry.EVENTS.encode()
_AFTER = "warble-after"
_UNKNOWN = "(unknown)"
_CLIENT_GONE = 499
"""No answer was possible; the number that nginx writes in its log."""

REQUESTS = Counter(
    "http_requests_total", "Answers by route, method and status.", ["handler", "method", "status"]
)
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time to the end of the answer, by route and method.",
    ["handler", "method"],
    buckets=telemetry.ROUTE_SECONDS,
)

log = structlog.get_logger("request")


class Proxy:
    def __init__(
        self,
        settings: Settings,
        routes: Routes,
        keys: Keys,
        sessions: Sessions,
        upstream: Upstream,
        signer: Signer,
    ) -> None:
        self._settings = settings
        self._routes = routes
        self._keys = keys
        self._sessions = sessions
        self._upstream = upstream
        self._signer = signer
        self._own_writes = OwnWrites()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, send)
        try:
            await self._serve(exchange, receive)
        except WrongMethod as error:
            await exchange.refuse(error.problem, [(b"allow", error.allowed.encode())])
        except Problem as problem:
            await exchange.refuse(problem)
        except ClientGone:
            exchange.status = exchange.status or _CLIENT_GONE
        except Exception as error:
            log.error("request.failed", exc_info=error)
            reports.send(error)
            await exchange.refuse(InternalError())
        finally:
            exchange.finish()

    async def _serve(self, exchange: "Exchange", receive: Receive) -> None:
        scope = exchange.scope
        method: str = scope["method"]
        route = self._routes.match(method, scope["raw_path"])
        exchange.handler = route.template
        if self._upstream.full(route.service):
            # A refusal has to cost little, just then.
            raise ServiceOverloaded
        headers = exchange.read_headers()
        identity = None
        if not route.open:
            key = exchange.key
            digest = self._session(exchange) if key is None else digest_of(key)
            identity = await self._keys.identity(digest)
            structlog.contextvars.bind_contextvars(user_id=identity.user_id)
            headers[HEADER] = self._signer.token(identity, route.service)
            if route.service == _FEED and (
                after := self._own_writes.before(identity.user_id, exchange.written())
            ):
                headers[_AFTER] = after
        body, seconds = None, None
        if exchange.has_body:
            limit = self._settings.upload_bytes if route.upload else self._settings.json_bytes
            if exchange.length is not None and exchange.length > limit:
                raise PayloadTooLarge
            body = Body(receive, limit)
            seconds = self._settings.upload_seconds if route.upload else None
        query: bytes = scope["query_string"]
        target = scope["raw_path"] + b"?" + query if query else scope["raw_path"]
        answer = await self._upstream.ask(
            route.service, method, target.decode("latin-1"), headers, body, seconds
        )
        async with answer.response:
            await self._answer(exchange, route, identity, answer)

    def _session(self, exchange: "Exchange") -> bytes:
        """The digest of the key that the session stands for.

        A browser sends the cookie by itself: a write must prove that our own page asks for it.
        """
        cookie = _cookie(exchange.cookies, session.COOKIE)
        if not cookie:
            raise NotSignedIn
        scope = exchange.scope
        if scope["method"] not in _READING and not session.from_our_page(Headers(scope=scope)):
            raise CrossSiteRequest
        return self._sessions.digest(cookie)

    async def _answer(
        self, exchange: "Exchange", route: Route, identity: Identity | None, answer: Answer
    ) -> None:
        response = answer.response
        if response.status >= 500 and response.content_type != "application/json":
            log.error("upstream.unusable", upstream=route.service, status=response.status)
            raise BadGateway
        headers = [(name, value) for name, value in response.raw_headers if name not in _HELD_BACK]
        events = response.header(_HANDED_BACK)
        if events and identity is not None:
            self._own_writes.remember(identity.user_id, events)
            headers.append((b"set-cookie", own_writes.cookie(events).encode("latin-1")))
        if answer.body is not None:
            await exchange.send_whole(response.status, headers, answer.body)
            return
        await exchange.start(response.status, headers)
        try:
            async for chunk in response.stream():
                await exchange.more(chunk)
        except (Broken, Silent) as error:
            # The status is gone out: all that is left is to end the connection unfinished.
            log.warning("answer.cut", upstream=route.service, error=repr(error))
            return
        await exchange.more(b"", last=True)


class Exchange:
    """One request and its answer: what was read of the one, what was sent of the other."""

    __slots__ = (
        "_send",
        "_started_at",
        "cookies",
        "handed_back",
        "handler",
        "has_body",
        "key",
        "length",
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
                    self.length = int(value)
                    self.has_body = self.length > 0
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
        return self.handed_back + _cookie(self.cookies, own_writes.COOKIE)

    async def refuse(
        self, problem: Problem, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        if self.status:
            return
        body = json.dumps(problem.body(), ensure_ascii=False).encode()
        extra = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        await self.send_whole(
            problem.status,
            [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *extra,
                *(headers or ()),
            ],
            body,
        )

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        headers.append((b"x-request-id", self.request_id.encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def more(self, chunk: bytes, *, last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": not last})

    async def send_whole(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> None:
        await self.start(status, headers)
        await self.more(body, last=True)

    def finish(self) -> None:
        seconds = time.perf_counter() - self._started_at
        method = self.scope["method"] if self.handler != _UNKNOWN else "*"
        answers, duration = _counted(self.handler, method, self.status)
        answers.inc()
        duration.observe(seconds)
        access_log.request(self.scope["method"], self.scope["path"], self.status, seconds)


@cache
def _counted(handler: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """What counts these answers: looking it up by its labels costs more than counting."""
    return REQUESTS.labels(handler, method, status), DURATION.labels(handler, method)


def _cookie(cookies: str, wanted: str) -> str:
    for cookie in cookies.split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == wanted:
            return value
    return ""
