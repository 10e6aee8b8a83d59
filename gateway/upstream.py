"""Asking a service: which replica, how long, and when another one may be asked instead."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Counter
from starlette.types import Receive

from chassis import traces
from chassis.errors import (
    BadGateway,
    PayloadTooLarge,
    Problem,
    RequestTimeout,
    ServiceOverloaded,
    ServiceTimeout,
    ServiceUnavailable,
)

from .http1 import Broken, Client, Full, NoConnection, Response, Silent
from .replicas import Replicas
from .settings import SERVICES, Settings

SHORT_BODY = 64 * 1024
"""An answer up to this size is held until it is whole: a replica that dies within costs nothing."""

_DOWN_SECONDS = 1.0
_READY_SECONDS = 1
"""Less than a check may take, so that a silent replica does not hide one that is ready."""
_BODY_IDLE_SECONDS = 30
_BODY_SECONDS = 20
_SLOWEST_BYTES = 50_000
"""Whoever sends a byte now and then has a replica's room for as long as it lasts. So a body has
20 s, and a second more for each of these that it may hold."""

ERRORS = Counter(
    "warble_gateway_upstream_errors_total", "Failed calls to a replica.", ["service", "kind"]
)
RETRIES = Counter(
    "warble_gateway_retries_total", "Calls that another replica took over.", ["service"]
)

log = structlog.get_logger()


@dataclass(slots=True)
class Answer:
    response: Response
    body: bytes | None
    """The whole body of a short answer; else None, and the response streams it."""


class ClientGone(Exception):
    """The client went away before its body was whole."""


class Body:
    """A request's body on its way through, counted and never whole here.

    Raises RequestTimeout, PayloadTooLarge or ClientGone while it is read.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        passed = 0
        more = True
        loop = asyncio.get_running_loop()
        until = loop.time() + _BODY_SECONDS + self._limit / _SLOWEST_BYTES
        while more:
            try:
                async with asyncio.timeout_at(min(until, loop.time() + _BODY_IDLE_SECONDS)):
                    message = await self._receive()
            except TimeoutError as error:
                raise RequestTimeout from error
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            passed += len(chunk)
            if passed > self._limit:
                raise PayloadTooLarge(self._limit)
            if chunk:
                yield chunk
            more = message.get("more_body", False)


class Upstream:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.replicas = {service: Replicas(settings.replicas(service)) for service in SERVICES}
        self._client = Client(settings.connect_seconds, self._leaving)
        # The connections of health checks take no place of those that people's requests use.
        self._watching = Client(settings.connect_seconds)

    def _leaving(self, replica: str) -> None:
        """It still answers, but what comes to it when it stops would be lost."""
        for replicas in self.replicas.values():
            if replica in replicas.all():
                replicas.down(replica, _DOWN_SECONDS)

    def stop(self) -> None:
        self._client.close()
        self._watching.close()

    async def ask(
        self,
        service: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: AsyncIterable[bytes] | None = None,
        seconds: float | None = None,
    ) -> Answer:
        """The answer of some replica. `target` is the path with its query, as it came.

        When a replica fails before its answer has begun, another replica gets a GET that has no
        body. Any other request goes to another replica only if no connection was made: a body can
        be read from the client once, and a write may have been done.

        Raises ServiceOverloaded, ServiceUnavailable, ServiceTimeout or BadGateway. Who asks
        releases the response.
        """
        again = method in ("GET", "HEAD") and body is None
        clock = asyncio.get_running_loop().time
        until = clock() + (self._settings.answer_seconds if seconds is None else seconds)
        problem: type[Problem] = ServiceUnavailable
        for number, replica in enumerate(self.replicas[service].in_turn()):
            if number:
                RETRIES.labels(service).inc()
            try:
                with traces.call(f"{method} {service}", {"server.address": replica}) as traceparent:
                    told = {**headers, "traceparent": traceparent} if traceparent else headers
                    response = await self._client.request(
                        method, replica, target, told, body, until - clock()
                    )
                return Answer(response, await _short_body(response))
            except Full:
                ERRORS.labels(service, "full").inc()
                problem = ServiceOverloaded
            except NoConnection as error:
                self.replicas[service].down(replica, _DOWN_SECONDS)
                self._failed(service, "connect", error)
            except Silent as error:
                # Another replica would be given just as long: the person has waited enough.
                self._failed(service, "timeout", error)
                raise ServiceTimeout from error
            except Broken as error:
                self._failed(service, "broken", error)
                problem = BadGateway
                if not again:
                    break
        raise problem()

    def full(self, service: str) -> bool:
        """Whether every replica has as much to do as it may: asked before anything is begun."""
        return all(map(self._client.full, self.replicas[service].all()))

    def _failed(self, service: str, kind: str, error: Exception) -> None:
        ERRORS.labels(service, kind).inc()
        log.warning("upstream.failed", upstream=service, kind=kind, error=repr(error))

    async def check(self, service: str) -> None:
        """Raises ServiceUnavailable if no replica of the service is ready."""
        ready = await asyncio.gather(*map(self._is_ready, self.replicas[service].all()))
        if not any(ready):
            raise ServiceUnavailable

    async def _is_ready(self, replica: str) -> bool:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                answer = await self._watching.request("GET", replica, "/health/ready", {})
                async with answer:
                    await answer.read()
            return answer.status == 200
        except (Full, NoConnection, Broken, TimeoutError):
            return False


async def _short_body(response: Response) -> bytes | None:
    """The body of a short answer, whole. Raises Broken and Silent."""
    length = response.content_length
    if response.complete or (length is not None and length <= SHORT_BODY):
        return await response.read()
    return None
