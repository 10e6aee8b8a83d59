"""uvicorn's HTTP/1.1 protocol with limits for each connection, in the gateway and in each service.

uvicorn by itself protects a process neither from a client that sends slowly nor from one that sends
without end: it reads a request head of any size and waits for it without a timeout, accepts
trailers as headers, and loses the body of a request that offers to upgrade the protocol. This class
adds:

- the head (request line and headers) is limited to MAX_HEAD_BYTES and HEAD_TIMEOUT_SECONDS;
- the body is limited to BODY_TIMEOUT_SECONDS (its size is limited elsewhere: `body_limit` in the
  services, the proxy in the gateway), and what surrounds it, such as trailers and chunk extensions,
  to MAX_HEAD_BYTES, because the parser buffers it;
- a client that stops reading the response is disconnected after WRITE_TIMEOUT_SECONDS, and so is
  one that has vanished without closing the connection, which TCP alone notices only after a quarter
  of an hour;
- a process has at most MAX_CONNECTIONS connections.

It also writes the head and the body of a short response at once (`_ResponseTransport`), and lets an
application respond without ASGI (`direct_responses`).

A connection is in one of three states: waiting for a head (`_head_timer` runs), reading a body
(`_body_timer` runs), or neither, while the application works. One request may follow another on the
same connection, so a refusal must not be taken for the response to an earlier request:
`_can_respond` decides whether it is written, or the connection only closed.

This class uses private parts of uvicorn, so uvicorn's version is pinned exactly.
"""

import asyncio
import json
import socket
from http import HTTPStatus
from typing import Any, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from chassis.http.errors import (
    HeadTooLarge,
    MalformedRequest,
    Problem,
    RequestTimeout,
    ServiceOverloaded,
)
from chassis.observability import error_reporting
from chassis.process.direct_responses import DirectApplication, DirectResponse

MAX_HEAD_BYTES = 64 * 1024
"""About ten times what cookies and a long URL need."""
HEAD_TIMEOUT_SECONDS = 10
BODY_TIMEOUT_SECONDS = 300
"""Longer than the gateway's own timeout for the largest picture."""
WRITE_TIMEOUT_SECONDS = 60
"""For a client to read some 50 kB of a response, once it has stopped reading."""
_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
"""How long sent data may stay unacknowledged (RFC 5482). Linux only."""
MAX_CONNECTIONS = 8_000
"""In the gateway each of them may need another connection to a service, and so a second file."""

log = structlog.get_logger()


def _limit_unacknowledged_time(transport: asyncio.BaseTransport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX and _USER_TIMEOUT is not None:
        milliseconds = int(WRITE_TIMEOUT_SECONDS * 1000)
        connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, milliseconds)


class _DiscardedHeaders(list[tuple[bytes, bytes]]):
    def append(self, _: tuple[bytes, bytes]) -> None:
        pass


class _ResponseTransport:
    """Writes the head of a response together with the body that follows at once.

    uvicorn writes them separately, but each write is a system call and wakes the client. A head
    that no body follows in the same turn of the event loop is written alone: a stream may have
    nothing to send for a long time.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None
        self._flush: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        if self._flush is None:
            self._head = data
            self._flush = self._loop.call_soon(self._write_head)
        elif self._head is None:
            self._transport.write(data)
        else:
            head, self._head = self._head, None
            self._flush.cancel()
            self._transport.writelines((head, data))

    def close(self) -> None:
        self._write_head()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _write_head(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)


class HttpProtocol(HttpToolsProtocol):
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _body_timer: asyncio.TimerHandle | None = None
    _body_progressed = False
    """Whether the last data started a body or contained a part of one."""
    _bytes_beside_body = 0
    _write_timer: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._responder: DirectApplication | None = None
        if hasattr(self.config.app, "respond_directly"):
            self._responder = cast(DirectApplication, self.config.app)
        self._parsing = False
        self._new: tuple[RequestResponseCycle, Any] | None = None
        """The request whose head is in the data that is being parsed. There is only one: uvicorn
        queues those that follow it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        _limit_unacknowledged_time(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(ServiceOverloaded())
        else:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_body_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._body_progressed = False
        self._parsing = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(MalformedRequest())
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge())
        elif self.cycle is not None and self.cycle.more_body:
            self._continue_body(len(data))
        self._parsing = False
        if self._new is not None:
            new, self._new = self._new, None
            self._offer(*new)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:
            self._start_head_timer()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._stop_head_timer()
        self._body_progressed = True
        super().on_headers_complete()
        # Trailers must not be merged into the headers (RFC 9110, 6.5.1).
        self.headers = _DiscardedHeaders()

    def on_body(self, body: bytes) -> None:
        self._body_progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_body_timer()
        if not self.parser.should_upgrade():
            super().on_message_complete()
            # uvicorn does not set it if the response was complete before the request.
            self.cycle.more_body = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_TIMEOUT_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """uvicorn calls this when it is the request's turn. Its own method is `start_task` here."""
        if self._responder is None:
            self.start_task(cycle, app)
        elif self._parsing:
            # The rest of the data may contain the body.
            self._new = cycle, app
        else:
            # Not within the response to the request before: each would be a call within a call.
            self.loop.call_soon(self._offer, cycle, app)

    def _offer(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Lets the application respond directly, or starts its task.

        A request is dropped if the connection is closing, because what followed it was malformed.
        """
        if self.transport.is_closing():
            return
        assert self._responder is not None
        may_respond = cycle.keep_alive and not cycle.more_body and not self.flow.write_paused
        try:
            responds = may_respond and self._responder.respond_directly(
                DirectResponse(self, cycle, app)
            )
        except Exception as error:
            log.error("direct_response.failed", exc_info=error)
            error_reporting.report(error)
            responds = cycle.response_started
        if not responds:
            self.start_task(cycle, app)

    def start_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Lets the application respond by ASGI."""
        cycle.transport = cast(asyncio.Transport, _ResponseTransport(self.transport, self.loop))
        super()._start_asgi_task(cycle, app)

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Reads a request that offers a protocol upgrade as if it did not (RFC 9110, 7.8).

        The parser takes such a request to end with its head, and gives up there. So this method
        feeds the same head again, without the `Upgrade` header, followed by `rest`, the data that
        came after the head.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(MalformedRequest())
            return
        head = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        head += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.data_received(b"\r\n".join([*head, b"", rest]))

    def _start_head_timer(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self._time_out)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _continue_body(self, received: int) -> None:
        if self._body_timer is None:
            self._body_timer = self.loop.call_later(BODY_TIMEOUT_SECONDS, self._time_out)
        # The parser buffers trailers and chunk extensions until they end.
        self._bytes_beside_body = 0 if self._body_progressed else self._bytes_beside_body + received
        if self._bytes_beside_body > MAX_HEAD_BYTES:
            self._refuse(HeadTooLarge())

    def _stop_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _time_out(self) -> None:
        if self._head_bytes or self._head_timer is None:
            self._refuse(RequestTimeout())
        else:
            # The client has sent nothing: there is no request to respond to.
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Responds with the problem, if that is possible, and closes the connection."""
        self._stop_head_timer()
        if not self.transport.is_closing() and self._can_respond():
            body = json.dumps(problem.body()).encode()
            phrase = HTTPStatus(problem.status).phrase
            extra = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items())
            head = (
                f"HTTP/1.1 {problem.status} {phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n{extra}\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()

    def _can_respond(self) -> bool:
        """Whether the next bytes that are written would be the response to this very request.

        They would not, if the response to an earlier request is still to come or not complete.
        """
        cycle = self.cycle
        if cycle is None:
            return True
        if not cycle.more_body:
            return cycle.response_complete
        if self.pipeline or cycle.response_started:
            return False
        # The body of this request is at fault: keep the application from responding as well.
        cycle.disconnected = True
        return True
