"""The hot path: forwards a request to a service and passes the response on.

There are two ways. The usual request needs no task (`Proxy.respond_directly`, docs/adr/0054). All
others take plain ASGI (`Proxy.__call__`), because a framework would cost more than the forwarding
itself (docs/adr/0006); what is unusual about a response is done there too.

The steps of both: refuse the request if the service is full; authenticate the caller
(`credential_cache`); count the call (`limits`); forward it (`upstream`); pass the response on with
security headers. A long body is never held completely.
"""

import time
from collections.abc import Awaitable
from functools import partial

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from chassis.auth.identity import IDENTITY_HEADER, Identity, Signer
from chassis.http.errors import (
    BadGateway,
    InternalError,
    NotSignedIn,
    PayloadTooLarge,
    Problem,
)
from chassis.messaging.own_writes_header import AFTER_HEADER
from chassis.observability import error_reporting, request_context
from chassis.process.direct_responses import DirectResponse

from . import consistency_tokens, security_headers, sessions
from .consistency_tokens import ConsistencyTokens
from .credential_cache import CredentialCache
from .http1 import REPEATABLE_METHODS, ReadTimeout, RemoteProtocolError, Response
from .http_exchange import HttpExchange, cookie_value, overloaded, refuse_overloaded
from .limits import Header, RateLimits, client_address
from .routes import Route
from .sessions import CrossSiteRequest
from .settings import Settings
from .upstream import ClientDisconnected, Failure, RequestBody, Upstream, UpstreamResponse

_REMOVED_RESPONSE_HEADERS = frozenset(
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
"""Headers that concern only the connection to the service (RFC 9110, 7.6.1), or that the gateway
sets itself."""

_SAFE_METHODS = ("GET", "HEAD")
_READ_OWN_WRITES = ("feed", "notifications", "users")
"""The services whose reads must include the caller's own writes."""
_EVENTS_HEADER = request_context.EVENTS_HEADER.encode()
_CLIENT_CLOSED_REQUEST = 499
"""The status that nginx logs when the client disconnected before it got a response."""

log = structlog.get_logger("request")


class Proxy:
    def __init__(
        self,
        settings: Settings,
        credentials: CredentialCache,
        upstream: Upstream,
        signer: Signer,
        limits: RateLimits,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._upstream = upstream
        self._signer = signer
        self._limiters = limits.by_kind if limits.enabled else None
        self._consistency_tokens = ConsistencyTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`scope["route"]` is the route that the request matched."""
        route: Route = scope["route"]
        if self._upstream.is_full(route.service):
            await refuse_overloaded(scope, send, route.template)
            return
        exchange = HttpExchange(scope, route.template, send)
        exchange.bind_log_context()
        await self._finish(exchange, self._forward(exchange, route, receive))

    async def _finish(self, exchange: HttpExchange, steps: Awaitable[None]) -> None:
        """Awaits what remains to be done. Responds with its error, logs and counts."""
        try:
            await steps
        except Problem as problem:
            await exchange.send_problem(problem)
        except ClientDisconnected:
            exchange.status = exchange.status or _CLIENT_CLOSED_REQUEST
        except Exception as error:
            log.error("request.failed", exc_info=error)
            error_reporting.report(error)
            await exchange.send_problem(InternalError())
        finally:
            exchange.log_and_count()

    def respond_directly(self, response: DirectResponse, route: Route) -> bool:
        """Forwards a request without a task. Returns whether it has.

        This is for the usual case: a caller in the cache of credentials, a short body if any, and
        an idle connection to the service. `__call__` does all others, and responds to errors.
        """
        if self._upstream.is_full(route.service):
            response.send(*overloaded(response.scope, route.template))
            return True
        exchange = HttpExchange(response.scope, route.template)
        headers = exchange.read_headers()
        identity = None
        if not route.is_open and self._may_start(exchange, route, response.body):
            identity = self._cached_identity(exchange, route, headers)
        if identity is None:
            return False
        limiter = None if self._limiters is None else self._limiters[route.limit_kind]
        now = time.monotonic()
        if limiter is not None and not limiter.allows(identity.user_id, now):
            return False
        has_started = self._upstream.start(
            route.service,
            route.method,
            _target(response.scope),
            headers,
            response.body,
            partial(self._on_result, response, exchange, route, identity, headers),
        )
        if has_started:
            self._credentials.count_hit()
            if limiter is not None:
                exchange.limit_headers = limiter.acquire(identity.user_id, now)
        return has_started

    def _may_start(self, exchange: HttpExchange, route: Route, body: bytes) -> bool:
        """Whether `Upstream.start` can send the request."""
        if route.is_upload or exchange.scope["method"] == "HEAD":
            return False
        if not exchange.has_body:
            return True
        return exchange.content_length is not None and len(body) <= self._settings.max_json_bytes

    def _cached_identity(
        self, exchange: HttpExchange, route: Route, headers: dict[str, str]
    ) -> Identity | None:
        """The caller if the cache of credentials has them, and the request may be forwarded."""
        try:
            if exchange.api_key is None:
                identity = self._credentials.cached_session(session_token(exchange))
            else:
                identity = self._credentials.cached_key(exchange.api_key)
            if identity is not None:
                exchange.user_id = identity.user_id
                self._add_identity(exchange, route, identity, headers)
        except Problem:
            return None
        return identity

    def _on_result(
        self,
        response: DirectResponse,
        exchange: HttpExchange,
        route: Route,
        identity: Identity,
        headers: dict[str, str],
        result: UpstreamResponse | Failure,
    ) -> None:
        """Passes a short response on. A task does all else: long responses, and errors."""
        if isinstance(result, UpstreamResponse) and self._send_short(
            response, exchange, route, identity, result
        ):
            return

        async def steps() -> None:
            received = result
            if isinstance(received, Failure):
                received = await self._upstream.resume(
                    received,
                    route.service,
                    route.method,
                    _target(exchange.scope),
                    headers,
                    self._settings.upstream_timeout_seconds - exchange.elapsed_seconds,
                    may_repeat=route.method in REPEATABLE_METHODS and not exchange.has_body,
                )
            self._note_changed_access(exchange, route, received.http)
            await self._pass_on(exchange, route, identity, received)

        async def respond(_scope: Scope, _receive: Receive, send: Send) -> None:
            exchange.asgi_send = send
            exchange.bind_log_context()
            await self._finish(exchange, steps())

        response.run(respond)

    def _send_short(
        self,
        response: DirectResponse,
        exchange: HttpExchange,
        route: Route,
        identity: Identity,
        received: UpstreamResponse,
    ) -> bool:
        """Returns whether it has sent the response."""
        http, body = received.http, received.body
        if body is None or http.status >= 500:
            return False
        try:
            self._note_changed_access(exchange, route, http)
            headers = self._response_headers(exchange, route, identity, http)
        except Exception:
            # The task meets the same error, and responds to it.
            return False
        response.send(http.status, exchange.complete_headers(http.status, headers), body)
        exchange.log_and_count()
        return True

    def _note_changed_access(self, exchange: HttpExchange, route: Route, http: Response) -> None:
        if route.changes_access and http.status < 400:
            # No gateway may use its cache until the event of users has arrived.
            self._credentials.expire_person(int(exchange.scope["raw_path"].split(b"/")[3]))

    def _add_identity(
        self, exchange: HttpExchange, route: Route, identity: Identity, headers: dict[str, str]
    ) -> None:
        """Adds the headers that tell the service who the caller is. Raises SessionChanged."""
        sessions.require_expected_person(exchange.expected_person, identity)
        headers[IDENTITY_HEADER] = self._signer.sign(identity, route.service)
        if route.service in _READ_OWN_WRITES and (
            after := self._consistency_tokens.for_read(
                identity.user_id, exchange.sent_consistency_tokens()
            )
        ):
            headers[AFTER_HEADER] = after

    async def _forward(self, exchange: HttpExchange, route: Route, receive: Receive) -> None:
        scope = exchange.scope
        headers = exchange.read_headers()
        identity = None
        if not route.is_open:
            if exchange.api_key is None:
                token = session_token(exchange)
                identity = await self._credentials.identity_of_session(token, scope)
            else:
                identity = await self._credentials.identity_of_key(exchange.api_key, scope)
            exchange.user_id = identity.user_id
            exchange.bind_log_context()
            self._add_identity(exchange, route, identity, headers)
        if self._limiters is not None:
            subject = client_address(scope) if identity is None else identity.user_id
            limiter = self._limiters[route.limit_kind]
            exchange.limit_headers = limiter.acquire(subject, time.monotonic())
        # The look-up of the credential has used a part of the time budget.
        body, timeout = None, self._settings.upstream_timeout_seconds - exchange.elapsed_seconds
        if exchange.has_body:
            settings = self._settings
            limit = settings.max_upload_bytes if route.is_upload else settings.max_json_bytes
            if exchange.content_length is not None and exchange.content_length > limit:
                raise PayloadTooLarge(limit, exchange.content_length)
            body = RequestBody(receive, limit)
            if route.is_upload:
                timeout = settings.upload_timeout_seconds
        response = await self._upstream.request(
            route.service, route.method, _target(scope), headers, body, timeout
        )
        self._note_changed_access(exchange, route, response.http)
        await self._pass_on(exchange, route, identity, response)

    def _response_headers(
        self, exchange: HttpExchange, route: Route, identity: Identity | None, http: Response
    ) -> list[Header]:
        """The headers of a service's response, as the client gets them. Raises BadGateway."""
        if http.status >= 500 and http.content_type != "application/json":
            log.error("upstream.unexpected_response", upstream=route.service, status=http.status)
            raise BadGateway
        headers = [item for item in http.raw_headers if item[0] not in _REMOVED_RESPONSE_HEADERS]
        events = http.header(_EVENTS_HEADER)
        if events and identity is not None:
            self._consistency_tokens.record(identity.user_id, events)
            https = security_headers.is_https(exchange.scope)
            cookie = consistency_tokens.set_cookie_header(events, https=https)
            headers.append((b"set-cookie", cookie.encode("latin-1")))
        if route.is_open and http.status < 400:
            exchange.security_headers = security_headers.media_headers(exchange.scope)
        elif http.header(b"cache-control") is None:
            headers.append(security_headers.NO_STORE)
        return headers

    async def _pass_on(
        self,
        exchange: HttpExchange,
        route: Route,
        identity: Identity | None,
        response: UpstreamResponse,
    ) -> None:
        async with response.http as http:
            headers = self._response_headers(exchange, route, identity, http)
            if exchange.scope["method"] == "HEAD":
                await exchange.send(http.status, headers, b"")
                return
            if response.body is not None:
                await exchange.send(http.status, headers, response.body)
                return
            await exchange.send_head(http.status, headers)
            try:
                async for chunk in http.stream():
                    await exchange.send_chunk(chunk)
            except (RemoteProtocolError, ReadTimeout) as error:
                # The status is sent already. Returning without the last chunk makes the server
                # close the connection, so that the client sees that the body is incomplete.
                log.warning("response.cut_off", upstream=route.service, error=repr(error))
                return
            await exchange.send_chunk(b"", last=True)


def _target(scope: Scope) -> str:
    """The path with its query, as the client sent it."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def session_token(exchange: HttpExchange) -> str:
    """The token in the session cookie. Raises NotSignedIn, and CrossSiteRequest.

    A browser sends the cookie with every request to this host, also with those that the page of
    another site causes. So a write by session must prove that it comes from Warble's own page.
    """
    token = cookie_value(exchange.cookies, sessions.COOKIE)
    if not token:
        raise NotSignedIn
    scope = exchange.scope
    if scope["method"] not in _SAFE_METHODS and not sessions.is_same_origin(Headers(scope=scope)):
        raise CrossSiteRequest
    return token
