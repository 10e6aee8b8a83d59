"""The hot path: forwards a request to a service and streams the response back.

This is plain ASGI, because a framework would cost more than the forwarding itself (docs/adr/0006).
The steps, in order: refuse the request if the service is full; authenticate the caller
(`credential_cache`); count the call (`limits`); forward it (`upstream`); pass the response on with
security headers. No body is ever held completely.
"""

import time

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from chassis.auth.identity import IDENTITY_HEADER, Identity, Signer
from chassis.http.errors import BadGateway, InternalError, NotSignedIn, PayloadTooLarge, Problem
from chassis.messaging.own_writes_header import AFTER_HEADER
from chassis.observability import error_reporting, request_context

from . import consistency_tokens, security_headers, sessions
from .consistency_tokens import ConsistencyTokens
from .credential_cache import CredentialCache
from .http1 import ReadTimeout, RemoteProtocolError
from .http_exchange import HttpExchange, cookie_value, refuse_overloaded
from .limits import RateLimits, client_address
from .routes import Route
from .sessions import CrossSiteRequest
from .settings import Settings
from .upstream import ClientDisconnected, RequestBody, Upstream, UpstreamResponse

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
        exchange = HttpExchange(scope, send, route.template)
        try:
            await self._forward(exchange, route, receive)
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
            structlog.contextvars.bind_contextvars(user_id=identity.user_id)
            sessions.require_expected_person(exchange.expected_person, identity)
            headers[IDENTITY_HEADER] = self._signer.sign(identity, route.service)
            if route.service in _READ_OWN_WRITES and (
                after := self._consistency_tokens.for_read(
                    identity.user_id, exchange.sent_consistency_tokens()
                )
            ):
                headers[AFTER_HEADER] = after
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
        query: bytes = scope["query_string"]
        target = scope["raw_path"] + b"?" + query if query else scope["raw_path"]
        response = await self._upstream.request(
            route.service, route.method, target.decode("latin-1"), headers, body, timeout
        )
        async with response.http:
            if route.changes_access and response.http.status < 400:
                # No gateway may use its cache until the event of users has arrived.
                self._credentials.expire_person(int(scope["raw_path"].split(b"/")[3]))
            await self._respond(exchange, route, identity, response)

    async def _respond(
        self,
        exchange: HttpExchange,
        route: Route,
        identity: Identity | None,
        response: UpstreamResponse,
    ) -> None:
        http = response.http
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
            # The status is sent already. Returning without the last chunk makes the server close
            # the connection, so that the client sees that the body is incomplete.
            log.warning("response.cut_off", upstream=route.service, error=repr(error))
            return
        await exchange.send_chunk(b"", last=True)


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
