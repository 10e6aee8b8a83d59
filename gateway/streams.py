"""Event streams: passes `GET /api/stream` on to the stream processes of notifications.

A stream stays open for hours, so it takes part in nothing that is made for short requests: not in
the connection pools and their limits, not in retries, not in timeouts. It has one connection to a
stream process for itself, and as little memory as possible: a `_Stream` is at once the protocol of
that connection and the sender of the response, and passes each piece on in the callback in which it
arrives (`chassis.http.event_stream` explains how). The coroutine of the request only waits for the
client to disconnect.

How a stream ends, other than by its client:

- `ended`: the credential is revoked or over. The event that revokes a person's credentials makes
  the gateway ask users again (`credentials`); the answer ends the stream. The client is told by an
  event of this name and does not come back.
- `unconfirmed`: for some seconds users could not be asked whether a credential is still valid.
- `slow`: more than 64 KiB are unsent because the client does not read.
- `silent`: the stream process sent no heartbeat for some time.
- `service`: the stream process closed the stream, or vanished.
- `draining`: the gateway stops.

After all but the first, the client comes back and resumes after the last event that it received. It
is told to wait for a random time, so that many clients do not come back in the same moment.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from math import inf
from typing import cast
from urllib.parse import urlsplit

import httptools
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

from . import security_headers, sign_in
from .credentials import CredentialCache
from .http_exchange import HttpExchange, refuse_overloaded
from .limits import Header, RateLimits
from .proxy import session_token
from .routes import Route
from .service_discovery import ReplicaSet
from .settings import Settings

SERVICE = "stream"
"""The service of the operation in the contract."""
_AUDIENCE = "notifications"
"""The stream process belongs to this service, and verifies identities in its name."""

_CONNECT_TIMEOUT_SECONDS = 1.0
_HEAD_TIMEOUT_SECONDS = 10.0
_DOWN_SECONDS = 1.0
_MAX_SILENCE_SECONDS = 3 * event_stream.HEARTBEAT_SECONDS
_SWEEP_SECONDS = 0.5
_RECHECK_SECONDS = 60
"""While the gateway receives no revocations, each stream's credential is checked this often."""
_UNCONFIRMED_SECONDS = 10
_CONCURRENT_CHECKS = 8
"""Credentials of streams that are checked at once, so that requests can be served beside them."""
_MAX_PROBLEM_BYTES = 64 * 1024
_FORWARDED_HEADERS = (REQUEST_ID_HEADER, TRACEPARENT_HEADER)
_FORWARDED_RESPONSE_HEADERS = (b"content-type", b"retry-after", b"allow")

_ENDED = b"event: ended\ndata: {}\n\n"

OPEN = Gauge("warble_gateway_streams", "Open event streams.")
CLOSED = Counter(
    "warble_gateway_streams_closed_total",
    "Event streams that were closed, by the reason or by who closed them.",
    ["reason"],
)

log = structlog.get_logger()


class _Stream(asyncio.Protocol):
    """One stream: the connection to the stream process, and the response to the client."""

    __slots__ = (
        "_early",
        "_head",
        "_is_attached",
        "_parser",
        "_send",
        "_task",
        "_transport",
        "active_at",
        "check_at",
        "checked_at",
        "digest",
        "headers",
        "kind",
        "reason",
        "status",
        "unconfirmed_at",
        "user_id",
    )

    def __init__(self, user_id: int, kind: str, digest: bytes, send: Send) -> None:
        self.user_id = user_id
        self.kind = kind
        self.digest = digest
        self.check_at = 0.0
        """When to ask again whether the credential is valid, as a time of `time.monotonic`."""
        self.checked_at = self.active_at = time.monotonic()
        self.unconfirmed_at = 0.0
        """When users could not be asked for the first time since the last answer; 0 if it could."""
        self.status = 0
        self.headers: list[Header] = []
        self.reason = ""
        self._send = send
        self._task = asyncio.current_task()
        self._is_attached = False
        self._early: list[bytes] = []
        """What has arrived since the last call of `_pass_on`."""
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._head: asyncio.Future[None] | None = None

    # Callbacks of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport and do not inherit from it.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.active_at = time.monotonic()
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._lose()
        else:
            if self._is_attached and self._early:
                self._pass_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose()
        self._parser = None

    # Callbacks of the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status and name.lower() in _FORWARDED_RESPONSE_HEADERS:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        if self.status == 200:
            self._resolve_head()

    def on_body(self, body: bytes) -> None:
        self._early.append(body)
        if not self._is_attached and sum(map(len, self._early)) > _MAX_PROBLEM_BYTES:
            self._lose()

    def on_message_complete(self) -> None:
        if self.status != 200:
            self._resolve_head()
            return
        if self._is_attached and self._early:
            self._pass_on()
        self.finish("service")

    # Opening.

    async def open(self, replica: str, request: bytes) -> None:
        """Sends the request, and returns when there is a response: a stream, or a whole refusal.

        Raises OSError if the replica accepts no connection, and TimeoutError and BadGateway.
        """
        loop = asyncio.get_running_loop()
        parts = urlsplit(replica)
        self._head = loop.create_future()
        async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
            await loop.create_connection(lambda: self, parts.hostname or "", parts.port or 80)
        assert self._transport is not None
        self._transport.write(request + b"host: " + parts.netloc.encode() + b"\r\n\r\n")
        async with asyncio.timeout(_HEAD_TIMEOUT_SECONDS):
            await self._head
        self._head = None

    def attach(self) -> None:
        """The head of the response is sent: from now on, what arrives is passed on."""
        self._is_attached = True
        self.headers.clear()
        if self._early:
            self._pass_on()
        if self._transport is None:
            # It was lost while the head was sent to the client.
            self.finish("service")

    def received(self) -> bytes:
        return b"".join(self._early)

    def _resolve_head(self) -> None:
        if self._head is not None and not self._head.done():
            self._head.set_result(None)

    # Passing on, and closing.

    def _pass_on(self) -> None:
        content = self._early[0] if len(self._early) == 1 else b"".join(self._early)
        self._early.clear()
        if not self.reason and not event_stream.send_now(self._send, event_stream.chunk(content)):
            self.cut_off("slow")

    def _lose(self) -> None:
        if self._head is not None and not self._head.done():
            self._head.set_exception(BadGateway())
            # Marks the exception as retrieved: asyncio logs it otherwise if the caller is gone.
            self._head.exception()
        self.finish("service")

    def finish(self, reason: str, farewell: bytes | None = None) -> None:
        """Ends the response in order, so that the client learns of it at once."""
        if self.reason or not self._is_attached:
            self.close()
            return
        self.reason = reason
        self.close()
        # The end of the response wakes the coroutine that waits for the client to disconnect.
        last = event_stream.chunk(event_stream.retry() if farewell is None else farewell)
        if not (
            event_stream.send_now(self._send, last)
            and event_stream.send_now(self._send, event_stream.LAST_CHUNK)
        ):
            self._cancel()

    def cut_off(self, reason: str) -> None:
        """Ends the response without waiting for a client that does not read."""
        if not self.reason:
            self.reason = reason
            self.close()
            self._cancel()

    def close(self) -> None:
        """Closes the connection to the stream process."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


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
        self._streams: set[_Stream] = set()
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
        exchange = HttpExchange(scope, send, route.template)
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
            event_stream.release(scope)
            await self._wait_for_end(stream, receive)

    async def _open(self, exchange: HttpExchange, route: Route, send: Send) -> _Stream | None:
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
        structlog.contextvars.bind_contextvars(user_id=identity.user_id)
        sign_in.refuse_another_person(exchange.expected_person, identity)
        if self._limiters is not None:
            limiter = self._limiters[route.limit_kind]
            exchange.limit_headers = limiter.acquire(identity.user_id, time.monotonic())
        if exchange.scope["method"] == "HEAD":
            await exchange.send(200, list(event_stream.HEADERS), b"")
            return None
        digest = api_keys.digest(secret)
        stream = await self._connect(
            self._request(exchange.scope, headers, identity),
            lambda: _Stream(identity.user_id, kind, digest, send),
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

    async def _connect(self, request: bytes, create: Callable[[], _Stream]) -> _Stream:
        """Tries the replicas in turn until one accepts the stream. Raises Problem."""
        refused: _Stream | None = None
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

    async def _wait_for_end(self, stream: _Stream, receive: Receive) -> None:
        try:
            await event_stream.disconnected(receive)
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

    async def watch_over(self) -> None:
        """Closes streams without heartbeats, and those whose credential has ended. Runs until it is
        cancelled."""
        while True:
            now = time.monotonic()
            unannounced = -inf if self._credentials.receives_revocations else now - _RECHECK_SECONDS
            due = []
            for stream in list(self._streams):
                if stream.active_at < now - _MAX_SILENCE_SECONDS:
                    stream.finish("silent")
                elif stream.check_at <= now or stream.checked_at < unannounced:
                    due.append(stream)
            for start in range(0, len(due), _CONCURRENT_CHECKS):
                await asyncio.gather(*map(self._check, due[start : start + _CONCURRENT_CHECKS]))
            await asyncio.sleep(_SWEEP_SECONDS)

    def _on_revocation(self, user_id: int | None) -> None:
        for stream in self._streams:
            if user_id is None:
                stream.check_at = 0.0
            elif stream.user_id == user_id:
                # `watch_over` may be busy with the streams of everybody.
                stream.check_at = 0.0
                check = asyncio.create_task(self._check(stream))
                self._checks.add(check)
                check.add_done_callback(self._checks.discard)

    async def _check(self, stream: _Stream) -> None:
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
        await event_stream.in_turns(
            self._streams,
            lambda stream: stream.finish("draining"),
            event_stream.CLOSING_SECONDS,
        )
