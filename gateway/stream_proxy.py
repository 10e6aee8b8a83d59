"""Event streams: passes `GET /api/stream` on to the stream processes of notifications.

A stream stays open for hours, so it takes part in nothing that is made for short requests: not in
the connection pools and their limits, not in retries, not in timeouts. It has one connection to a
stream process for itself (`stream_connection`), and as little memory as possible. The coroutine of
the request only waits for the client to disconnect.

How a stream ends, other than by its client:

- `ended`: the credential is revoked or over. The event that revokes a person's credentials makes
  the gateway ask users again (`credential_cache`); the answer ends the stream. The client gets an
  event of this name and does not come back.
- `unconfirmed`: for some seconds users could not be asked whether a credential is still valid.
- `slow`: more than 64 KiB are unsent because the client does not read.
- `silent`: the stream process sent no heartbeat for some time.
- `service`: the stream process closed the stream, or vanished.
- `draining`: the gateway stops.

After all but the first, the client comes back and resumes after the last event that it received. It
waits for a random time, which the response names, so that many clients do not come back in the same
moment.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from math import inf
from urllib.parse import urlsplit

import structlog
from prometheus_client import Counter, Gauge
from starlette.types import Receive, Scope, Send

from chassis.auth import api_keys
from chassis.auth.identity import IDENTITY_HEADER, Identity, Signer
from chassis.http import event_stream
from chassis.http.errors import (
    BadGateway,
    InternalError,
    NotSignedIn,
    Problem,
    ServiceTimeout,
    ServiceUnavailable,
)
from chassis.observability import error_reporting
from chassis.observability.request_context import REQUEST_ID_HEADER, TRACEPARENT_HEADER

from . import security_headers, sessions
from .credential_cache import CredentialCache
from .http_exchange import HttpExchange, refuse_overloaded
from .limits import RateLimits
from .proxy import session_token
from .routes import Route
from .service_discovery import ReplicaSet
from .settings import Settings
from .stream_connection import ForwardedStream

SERVICE = "stream"
"""The service of the operation in the contract."""
_AUDIENCE = "notifications"
"""The stream process belongs to this service, and verifies identities in its name."""

_CONNECT_TIMEOUT_SECONDS = 1.0
_DOWN_SECONDS = 1.0
_MAX_SILENCE_SECONDS = 3 * event_stream.HEARTBEAT_SECONDS
_SWEEP_SECONDS = 0.5
_RECHECK_SECONDS = 60
"""While the gateway receives no revocations, each stream's credential is checked this often."""
_UNCONFIRMED_SECONDS = 10
_CONCURRENT_CHECKS = 8
"""Credentials of streams that are checked at once, so that requests can be served beside them."""
_FORWARDED_HEADERS = (REQUEST_ID_HEADER, TRACEPARENT_HEADER)

_ENDED = b"event: ended\ndata: {}\n\n"

OPEN = Gauge("warble_gateway_streams", "Open event streams.")
CLOSED = Counter(
    "warble_gateway_streams_closed_total",
    "Event streams that were closed, by the reason or by who closed them.",
    ["reason"],
)

log = structlog.get_logger()


class Streams:
    """All streams through this gateway. It is the ASGI application for `/api/stream`."""

    def __init__(
        self,
        settings: Settings,
        credentials: CredentialCache,
        signer: Signer,
        limits: RateLimits,
    ) -> None:
        self._credentials = credentials
        self._signer = signer
        self._limiters = limits.by_kind if limits.enabled else None
        self._max_streams = settings.max_streams
        self.replicas = ReplicaSet(settings.replicas(SERVICE))
        self._streams: set[ForwardedStream] = set()
        self._opening = 0
        self._checks: set[asyncio.Task[None]] = set()
        self._is_draining = False
        credentials.listener = self._on_revocation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`scope["route"]` is the route that the request matched."""
        route: Route = scope["route"]
        is_full = len(self._streams) + self._opening >= self._max_streams
        if is_full or self._is_draining or self.replicas.are_down():
            await refuse_overloaded(scope, send, route.template)
            return
        exchange = HttpExchange(scope, route.template, send)
        exchange.bind_log_context()
        stream = None
        self._opening += 1
        try:
            stream = await self._open(exchange, route, send)
        except Problem as problem:
            await exchange.send_problem(problem)
        except Exception as error:
            log.error("request.failed", exc_info=error)
            error_reporting.report(error)
            await exchange.send_problem(InternalError())
        finally:
            self._opening -= 1
            # The time until the head: a stream that is open for an hour is not a slow response.
            exchange.log_and_count()
        if stream is not None:
            del exchange
            event_stream.free_scope(scope)
            await self._wait_for_end(stream, receive)

    async def _open(
        self, exchange: HttpExchange, route: Route, send: Send
    ) -> ForwardedStream | None:
        """The open stream; None if there is another response.

        Raises what the proxy raises for other calls.
        """
        headers = exchange.read_headers()
        if exchange.api_key is None:
            token = session_token(exchange)
            kind, secret = "sessions", token.encode()
            identity = await self._credentials.identity_of_session(token, exchange.scope)
        else:
            kind, secret = "keys", exchange.api_key
            identity = await self._credentials.identity_of_key(secret, exchange.scope)
        exchange.user_id = identity.user_id
        exchange.bind_log_context()
        sessions.require_expected_person(exchange.expected_person, identity)
        if self._limiters is not None:
            limiter = self._limiters[route.limit_kind]
            exchange.limit_headers = limiter.acquire(identity.user_id, time.monotonic())
        if exchange.scope["method"] == "HEAD":
            await exchange.send(200, list(event_stream.HEADERS), b"")
            return None
        digest = api_keys.digest(secret)
        stream = await self._connect(
            self._request(exchange.scope, headers, identity),
            lambda: ForwardedStream(identity.user_id, kind, digest, send),
        )
        if stream.status != 200:
            stream.close()
            refusal = [*stream.headers, security_headers.NO_STORE]
            await exchange.send(stream.status, refusal, stream.received())
            return None
        await exchange.send_head(200, list(event_stream.HEADERS))
        stream.attach()
        self._streams.add(stream)
        OPEN.set(len(self._streams))
        return stream

    def _request(self, scope: Scope, headers: Mapping[str, str], identity: Identity) -> bytes:
        """The head of the request to the stream process, without the host and the empty line."""
        query: bytes = scope["query_string"]
        lines = [
            b"GET " + scope["raw_path"] + (b"?" + query if query else b"") + b" HTTP/1.1",
            IDENTITY_HEADER.encode() + b": " + self._signer.sign(identity, _AUDIENCE).encode(),
        ]
        for name, value in headers.items():
            if name in _FORWARDED_HEADERS:
                lines.append(f"{name}: {value}".encode("latin-1"))
        for name, value in scope["headers"]:
            if name == b"last-event-id":
                lines.append(name + b": " + value)
        return b"\r\n".join(lines) + b"\r\n"

    async def _connect(
        self, request: bytes, create: Callable[[], ForwardedStream]
    ) -> ForwardedStream:
        """Tries the replicas in turn until one accepts the stream. Raises Problem."""
        refused: ForwardedStream | None = None
        failure: Problem = ServiceUnavailable()
        for replica in self.replicas.candidates():
            stream = create()
            try:
                await stream.open(replica, request)
            except TimeoutError:
                failure = ServiceTimeout()
            except OSError:
                failure = ServiceUnavailable()
            except BadGateway as error:
                failure = error
            else:
                if stream.status < 500:
                    return stream
                # Another replica may not be full, or about to stop.
                refused = stream
            stream.close()
            self.replicas.mark_down(replica, _DOWN_SECONDS)
            log.warning("upstream.failed", upstream=SERVICE, error=repr(failure))
        if refused is not None:
            return refused
        raise failure

    async def _wait_for_end(self, stream: ForwardedStream, receive: Receive) -> None:
        try:
            await event_stream.wait_for_disconnect(receive)
        except asyncio.CancelledError:
            if not stream.reason:
                raise
        finally:
            stream.reason = stream.reason or "client"
            stream.close()
            self._streams.discard(stream)
            OPEN.set(len(self._streams))
            CLOSED.labels(stream.reason).inc()

    # Watching over the open streams.

    async def close_ended_streams(self) -> None:
        """Closes streams without heartbeats, and those whose credential has ended. Runs until it is
        cancelled."""
        while True:
            now = time.monotonic()
            recheck_before = (
                -inf if self._credentials.receives_revocations else now - _RECHECK_SECONDS
            )
            due = []
            for stream in list(self._streams):
                if stream.active_at < now - _MAX_SILENCE_SECONDS:
                    stream.finish("silent")
                elif stream.check_at <= now or stream.checked_at < recheck_before:
                    due.append(stream)
            for start in range(0, len(due), _CONCURRENT_CHECKS):
                await asyncio.gather(*map(self._check, due[start : start + _CONCURRENT_CHECKS]))
            await asyncio.sleep(_SWEEP_SECONDS)

    def _on_revocation(self, user_id: int | None) -> None:
        for stream in self._streams:
            if user_id is None:
                stream.check_at = 0.0
            elif stream.user_id == user_id:
                # `close_ended_streams` may be busy with the streams of everybody.
                stream.check_at = 0.0
                check = asyncio.create_task(self._check(stream))
                self._checks.add(check)
                check.add_done_callback(self._checks.discard)

    async def _check(self, stream: ForwardedStream) -> None:
        """Ends the stream if its credential has ended."""
        try:
            stream.check_at = await self._credentials.ends_at(stream.kind, stream.digest)
        except NotSignedIn:
            stream.finish("ended", _ENDED)
        except Problem:
            # `check_at` is unchanged, so the next round asks again.
            now = time.monotonic()
            stream.unconfirmed_at = stream.unconfirmed_at or now
            if stream.unconfirmed_at < now - _UNCONFIRMED_SECONDS:
                stream.finish("unconfirmed")
        else:
            stream.checked_at, stream.unconfirmed_at = time.monotonic(), 0.0

    async def check(self) -> None:
        """Raises ServiceUnavailable if no stream process accepts connections."""
        for replica in self.replicas.all():
            parts = urlsplit(replica)
            try:
                async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
                    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            except OSError:
                continue
            writer.close()
            return
        raise ServiceUnavailable

    async def drain(self) -> None:
        """Ends all streams, because the gateway stops."""
        self._is_draining = True
        await event_stream.spread_over(
            self._streams,
            lambda stream: stream.finish("draining"),
            event_stream.CLOSING_SECONDS,
        )
