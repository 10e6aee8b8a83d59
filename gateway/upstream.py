"""Calls to the services: which replica gets a request, for how long, and when another is tried.

Replicas take turns. One that accepted no connection, or that announced its shutdown, comes
last for a second. When a replica fails, what happens next depends on whether it may have executed
the request:

- It is full or accepts no connection: nothing was sent, so the next replica is tried, whatever the
  method. While all are full, requests wait (`admission_queue`).
- The connection breaks or the response is not HTTP: a write may have been executed, and a body can
  be read from the client only once. So only a GET or HEAD without a body goes to the next replica.
- It is silent until the timeout: no other replica is tried, because the person has waited for as
  long as a request may take.

All attempts share one time budget. A body of up to 64 KiB is read completely before anything goes
to the client, so that a replica that dies while it sends one counts as a broken connection and the
read is retried. A longer body is streamed; a failure within it can only cut it off.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog
from prometheus_client import Counter
from starlette.types import Receive

from chassis.http.errors import (
    BadGateway,
    PayloadTooLarge,
    Problem,
    RequestTimeout,
    ServiceOverloaded,
    ServiceTimeout,
    ServiceUnavailable,
)
from chassis.observability import tracing

from .admission_queue import AdmissionQueue, QueueFull
from .http1 import (
    REPEATABLE_METHODS,
    ConnectError,
    HttpClient,
    IdleConnectionClosed,
    PoolFull,
    ReadTimeout,
    RemoteProtocolError,
    Response,
)
from .service_discovery import ReplicaSet
from .settings import SERVICES, Settings

_CONNECT_TIMEOUT_SECONDS = 1.0
_DOWN_SECONDS = 1.0
_HEALTH_TIMEOUT_SECONDS = 1
"""Less than a whole health check may take, so that a silent replica does not hide a ready one."""

_BODY_IDLE_SECONDS = 30
_BODY_SECONDS = 20
_MIN_BYTES_PER_SECOND = 50_000
"""A client that sends a byte now and then would occupy a replica for as long as it likes. So a
request body must be complete after 20 s, and one second more for each 50,000 bytes that it may
have."""

ERRORS = Counter(
    "warble_gateway_upstream_errors_total",
    "Attempts to call a replica that failed, by service and kind of failure.",
    ["service", "kind"],
)
RETRIES = Counter(
    "warble_gateway_upstream_retries_total",
    "Attempts to call another replica after the first one failed.",
    ["service"],
)

log = structlog.get_logger()


@dataclass(slots=True)
class UpstreamResponse:
    http: Response
    body: bytes | None
    """The whole body if it is short; None if `http` still has to stream it."""


@dataclass(slots=True)
class Failure:
    """A request that `Upstream.start` has sent, and to which there is no complete response."""

    replica: str
    error: Exception
    """ReadTimeout or RemoteProtocolError."""


OnResult = Callable[[UpstreamResponse | Failure], None]


class ClientDisconnected(Exception):
    """The client closed its connection before its request body was complete."""


class RequestBody:
    """The body of a client's request, streamed and never held completely.

    Iterating raises RequestTimeout, PayloadTooLarge or ClientDisconnected.
    """

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        more = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _BODY_SECONDS + self._max_bytes / _MIN_BYTES_PER_SECOND
        while more:
            try:
                async with asyncio.timeout_at(min(deadline, loop.time() + _BODY_IDLE_SECONDS)):
                    message = await self._receive()
            except TimeoutError as error:
                raise RequestTimeout from error
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            chunk: bytes = message.get("body", b"")
            received += len(chunk)
            if received > self._max_bytes:
                raise PayloadTooLarge(self._max_bytes)
            if chunk:
                yield chunk
            more = message.get("more_body", False)


class Upstream:
    """The services, as the gateway calls them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.replicas = {service: ReplicaSet(settings.replicas(service)) for service in SERVICES}
        self._client = HttpClient(_CONNECT_TIMEOUT_SECONDS, self._on_draining)
        # A client of their own: health checks must not take connections from people's requests.
        self._health_client = HttpClient(_CONNECT_TIMEOUT_SECONDS)
        self._queues = {
            service: AdmissionQueue(partial(self._room, replicas))
            for service, replicas in self.replicas.items()
        }

    def _on_draining(self, replica: str) -> None:
        """The replica still answers, but a request that arrives when it stops would be lost."""
        for replicas in self.replicas.values():
            if replica in replicas.all():
                replicas.mark_down(replica, _DOWN_SECONDS)

    def close(self) -> None:
        self._client.close()
        self._health_client.close()

    async def request(
        self,
        service: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: AsyncIterable[bytes] | None = None,
        timeout_seconds: float | None = None,
        *,
        failed: str | None = None,
    ) -> UpstreamResponse:
        """The response of some replica; see the module's text for when another one is tried.

        `target` is the path with its query, as the client sent it. `timeout_seconds` is
        GATEWAY_UPSTREAM_TIMEOUT_SECONDS by default. `failed` is a replica at which this request has
        failed before. The caller uses `response.http` as a context
        manager, or reads a `body` that is there.

        Raises ServiceOverloaded, ServiceUnavailable, ServiceTimeout or BadGateway.
        """
        clock = asyncio.get_running_loop().time
        if timeout_seconds is None:
            timeout_seconds = self._settings.upstream_timeout_seconds
        deadline = clock() + timeout_seconds
        queue = self._queues[service]
        try:
            if not queue.has_room():
                await queue.wait(clock())
            return await self._try_replicas(
                service, method, target, headers, body, deadline, failed
            )
        except QueueFull as error:
            ERRORS.labels(service, "full").inc()
            raise ServiceOverloaded from error
        finally:
            # Also if the caller was cancelled: another request takes its place.
            if not queue.is_empty:
                queue.admit(clock())

    async def _try_replicas(
        self,
        service: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: AsyncIterable[bytes] | None,
        deadline: float,
        failed: str | None,
    ) -> UpstreamResponse:
        may_repeat = method in REPEATABLE_METHODS and body is None
        clock = asyncio.get_running_loop().time
        problem: type[Problem] = ServiceUnavailable if failed is None else BadGateway
        is_retry = failed is not None
        for replica in self.replicas[service].candidates():
            if replica == failed:
                continue
            if is_retry:
                RETRIES.labels(service).inc()
            is_retry = True
            try:
                with tracing.client_span(
                    f"{method} {service}", {"server.address": replica}
                ) as traceparent:
                    sent = {**headers, "traceparent": traceparent} if traceparent else headers
                    response = await self._client.request(
                        method, replica, target, sent, body, deadline - clock()
                    )
                return UpstreamResponse(response, response.whole_body())
            except PoolFull:
                ERRORS.labels(service, "full").inc()
                problem = ServiceOverloaded
            except ConnectError as error:
                self.replicas[service].mark_down(replica, _DOWN_SECONDS)
                self._note_error(service, "connect", error)
            except ReadTimeout as error:
                self._note_error(service, "timeout", error)
                raise ServiceTimeout from error
            except RemoteProtocolError as error:
                self._note_error(service, "protocol", error)
                problem = BadGateway
                if not may_repeat:
                    break
        raise problem()

    def start(
        self,
        service: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        on_result: OnResult,
    ) -> bool:
        """Sends a request without a task, if the replica whose turn it is has room and an idle
        connection. Returns whether it has.

        The parameters are those of `request`; the length of a body is in `headers`. `on_result`
        gets the response or a Failure, with which the caller calls `resume`.
        """
        queue, replicas = self._queues[service], self.replicas[service]
        if not queue.has_room():
            return False
        replica = replicas.next()

        def pass_on(result: Response | Exception) -> None:
            if not queue.is_empty:
                queue.admit(asyncio.get_running_loop().time())
            if isinstance(result, Response):
                on_result(UpstreamResponse(result, result.whole_body()))
            else:
                on_result(Failure(replica, result))

        timeout_seconds = self._settings.upstream_timeout_seconds
        has_started = self._client.start(
            method, replica, target, headers, body, timeout_seconds, pass_on
        )
        if has_started:
            replicas.advance()
        return has_started

    async def resume(
        self,
        failure: Failure,
        service: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        *,
        may_repeat: bool,
    ) -> UpstreamResponse:
        """Goes on after a request that `start` has sent failed, as `request` does after a failure.

        Raises what `request` raises.
        """
        if may_repeat and isinstance(failure.error, IdleConnectionClosed):
            return await self.request(service, method, target, headers, None, timeout_seconds)
        is_timeout = isinstance(failure.error, ReadTimeout)
        self._note_error(service, "timeout" if is_timeout else "protocol", failure.error)
        if is_timeout:
            raise ServiceTimeout from failure.error
        if not may_repeat:
            raise BadGateway from failure.error
        return await self.request(
            service, method, target, headers, None, timeout_seconds, failed=failure.replica
        )

    def is_full(self, service: str) -> bool:
        """Whether a request would be refused. The proxy checks this before it does anything for a
        request."""
        queue = self._queues[service]
        return not queue.is_empty and queue.is_closed(asyncio.get_running_loop().time())

    def _room(self, replicas: ReplicaSet) -> int:
        return sum(map(self._client.room, replicas.preferred()))

    def _note_error(self, service: str, kind: str, error: Exception) -> None:
        ERRORS.labels(service, kind).inc()
        log.warning("upstream.failed", upstream=service, kind=kind, error=repr(error))

    async def check(self, service: str) -> None:
        """Raises ServiceUnavailable if no replica of the service is ready."""
        ready = await asyncio.gather(*map(self._is_ready, self.replicas[service].all()))
        if not any(ready):
            raise ServiceUnavailable

    async def _is_ready(self, replica: str) -> bool:
        try:
            async with asyncio.timeout(_HEALTH_TIMEOUT_SECONDS):
                response = await self._health_client.request("GET", replica, "/health/ready", {})
                async with response:
                    await response.read()
            return response.status == 200
        except (PoolFull, ConnectError, RemoteProtocolError, TimeoutError):
            return False
