"""Responses that are written without ASGI, for requests that need no task.

An ASGI application runs as a task of its own, and uvicorn checks and assembles each response from
two messages. For what is answered from memory, or only passed on, that costs more than the work
itself. So the server first offers a request to the application's `respond_directly`, if it has one
and if the body, if any, has arrived together with the head. The function returns at once whether it
has taken over the response, which it sends then or later, from a callback of the event loop. All
other requests the application gets as usual. See docs/adr/0054.

This uses private parts of uvicorn, so uvicorn's version is pinned exactly.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any, Protocol, cast

from starlette.types import ASGIApp, Scope
from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Header = tuple[bytes, bytes]
_FORWARDED_HEADERS = (b"x-forwarded-proto", b"x-forwarded-for")


class ClientConnection(Protocol):
    """What a response needs of the connection of its client."""

    config: Config
    transport: asyncio.Transport

    def start_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Runs the ASGI application that responds."""


class DirectResponse:
    """The response to one request. The application calls either `send` or `run`, once."""

    __slots__ = ("_application", "_connection", "_cycle", "scope")

    def __init__(
        self, connection: ClientConnection, cycle: RequestResponseCycle, application: Any
    ) -> None:
        self.scope = cast(Scope, cycle.scope)
        self._connection = connection
        self._cycle = cycle
        self._application = application

    @property
    def body(self) -> bytes:
        """The whole body of the request."""
        return bytes(self._cycle.body)

    def read_forwarded_headers(self) -> None:
        """Sets client and scheme in the scope to those that a trusted proxy names, as uvicorn does
        before it runs an application."""
        if not any(name in _FORWARDED_HEADERS for name, _ in self.scope["headers"]):
            return
        middleware = _forwarded_headers(str(self._connection.config.forwarded_allow_ips))
        with suppress(StopIteration):
            # It awaits nothing, so it ends at its first step.
            middleware(self.scope, None, None).send(None)  # type: ignore[arg-type]

    def send(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """Sends the whole response. Does nothing if the client has disconnected.

        The headers must be valid: unlike uvicorn, this does not check them.
        """
        cycle = self._cycle
        if cycle.disconnected:
            return
        parts = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        if any(name == b"connection" for name, _ in cycle.default_headers):
            # The server is stopping. The value is `close`.
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        if self.scope["method"] != "HEAD":
            parts.append(body)
        self._connection.transport.write(b"".join(parts))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self._connection.transport.close()
        cycle.on_response()

    def run(self, application: ASGIApp | None = None) -> None:
        """Lets an ASGI application respond: the server's own, or another one."""
        self._connection.start_task(self._cycle, application or self._application)


class DirectApplication(Protocol):
    """An ASGI application that also responds without ASGI."""

    def respond_directly(self, response: DirectResponse) -> bool:
        """Whether it has taken over the response."""


async def _nothing(*_: object) -> None:
    pass


@cache
def _forwarded_headers(trusted_hosts: str) -> ProxyHeadersMiddleware:
    return ProxyHeadersMiddleware(_nothing, trusted_hosts)
