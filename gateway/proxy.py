"""The hot path: plain ASGI, from the request to the service and back, with nothing held whole."""

import time

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from chassis import reports, telemetry
from chassis.errors import (
    BadGateway,
    InternalError,
    NotSignedIn,
    PayloadTooLarge,
    Problem,
)
from chassis.identity import HEADER, Identity, Signer

from . import guards, own_writes, session
from .exchange import Exchange, cookie, refuse_at_once
from .http1 import Broken, Silent
from .keys import Keys
from .limits import Limits, address_of
from .own_writes import OwnWrites
from .routes import Route
from .session import CrossSiteRequest
from .settings import Settings
from .upstream import Answer, Body, ClientGone, Upstream

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
_CLIENT_GONE = 499
"""No answer was possible; the number that nginx writes in its log."""

log = structlog.get_logger("request")


class Proxy:
    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        upstream: Upstream,
        signer: Signer,
        limits: Limits,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._upstream = upstream
        self._signer = signer
        self._limits = limits.by_kind if limits.on else None
        self._own_writes = OwnWrites()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: Route = scope["route"]
        if self._upstream.full(route.service):
            await refuse_at_once(scope, send, route.template)
            return
        exchange = Exchange(scope, send)
        exchange.handler = route.template
        try:
            await self._serve(exchange, route, receive)
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

    async def _serve(self, exchange: Exchange, route: Route, receive: Receive) -> None:
        scope = exchange.scope
        headers = exchange.read_headers()
        identity = None
        if not route.open:
            key = exchange.key
            if key is None:
                identity = await self._keys.session_owner(_session_token(exchange), scope)
            else:
                identity = await self._keys.key_owner(key, scope)
            structlog.contextvars.bind_contextvars(user_id=identity.user_id)
            headers[HEADER] = self._signer.token(identity, route.service)
            if route.service == _FEED and (
                after := self._own_writes.before(identity.user_id, exchange.written())
            ):
                headers[_AFTER] = after
        if self._limits is not None:
            who = address_of(scope) if identity is None else identity.user_id
            exchange.limited = self._limits[route.kind].take(who, time.monotonic())
        # Whoever asked for the key's owner has had a part of the time.
        body, seconds = None, self._settings.answer_seconds - exchange.seconds
        if exchange.has_body:
            limit = self._settings.upload_bytes if route.upload else self._settings.json_bytes
            if exchange.length is not None and exchange.length > limit:
                raise PayloadTooLarge(limit, exchange.length)
            body = Body(receive, limit)
            if route.upload:
                seconds = self._settings.upload_seconds
        query: bytes = scope["query_string"]
        target = scope["raw_path"] + b"?" + query if query else scope["raw_path"]
        answer = await self._upstream.ask(
            route.service, route.method, target.decode("latin-1"), headers, body, seconds
        )
        async with answer.response:
            await self._answer(exchange, route, identity, answer)

    async def _answer(
        self, exchange: Exchange, route: Route, identity: Identity | None, answer: Answer
    ) -> None:
        response = answer.response
        if response.status >= 500 and response.content_type != "application/json":
            log.error("upstream.unusable", upstream=route.service, status=response.status)
            raise BadGateway
        headers = [(name, value) for name, value in response.raw_headers if name not in _HELD_BACK]
        events = response.header(_HANDED_BACK)
        if events and identity is not None:
            self._own_writes.remember(identity.user_id, events)
            written = own_writes.cookie(events, by_https=guards.is_https(exchange.scope))
            headers.append((b"set-cookie", written.encode("latin-1")))
        if route.open and response.status < 400:
            exchange.guards = guards.of_picture(exchange.scope)
        elif response.header(b"cache-control") is None:
            headers.append(guards.NOT_KEPT)
        if exchange.scope["method"] == "HEAD":
            await exchange.send_whole(response.status, headers, b"")
            return
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


def _session_token(exchange: Exchange) -> str:
    """The token in the session cookie. Raises NotSignedIn, and CrossSiteRequest for a write that
    does not come from our own page: browsers send the cookie whoever asks them to."""
    token = cookie(exchange.cookies, session.COOKIE)
    if not token:
        raise NotSignedIn
    scope = exchange.scope
    if scope["method"] not in _READING and not session.from_our_page(Headers(scope=scope)):
        raise CrossSiteRequest
    return token
