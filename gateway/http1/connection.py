"""One connection to a replica. The parser is httptools, which uvicorn uses too."""

import asyncio
from collections.abc import AsyncIterable, Callable
from functools import partial
from typing import Protocol, cast

import httptools

from .response import IdleConnectionClosed, ReadTimeout, RemoteProtocolError, Response

OnResult = Callable[[Response | Exception], None]
"""Called once for each request, and not before its `start` has returned: with the response, or with
RemoteProtocolError or ReadTimeout. It must not raise."""


class ConnectionOwner(Protocol):
    """What a connection needs of the pool that it belongs to."""

    awaiting_response: int
    """Requests that are sent completely and whose response is not reported yet."""

    def release(self, connection: "Connection") -> None:
        """The connection is idle and can carry another request."""

    def drain(self) -> None:
        """The replica is closing its connections, so no idle one may be used again."""

    def discard(self, connection: "Connection") -> None:
        """The connection is closed."""


class Connection(asyncio.Protocol):
    """Carries one request at a time (no pipelining)."""

    def __init__(self, owner: ConnectionOwner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._response: Response | None = None
        """The response of the request in progress; None while the connection is idle."""
        self._completed: Response | None = None
        """A complete response that is not reported yet."""
        self._on_result: OnResult | None = None
        """The callback of the request in progress. None once it was called."""
        self._timer: asyncio.TimerHandle | None = None
        self._timeout_seconds = 0.0
        self._active_at = 0.0
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._is_head_request = False
        self._request_sent = False
        self._is_counted = False
        """Whether the request in progress is counted in the owner's `awaiting_response`."""
        self._reading_paused = False
        self._received_data = False
        """Whether the replica has sent anything for the request in progress."""
        self._idle_since = 0.0

    # Callbacks of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport and do not inherit from it.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._active_at = self._loop.time()
        self._received_data = True
        if self._response is None:
            # The replica sent data without a request.
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self._completed is None:
                self._fail(RemoteProtocolError(f"the response is not HTTP: {error}"))
            else:
                self.abort()
        self._report_completed()

    def eof_received(self) -> None:
        response = self._response
        if response is not None and response.status and not response.complete:
            length = response.content_length
            chunked = response.header(b"transfer-encoding")
            if length is None and chunked is None:
                # Without a length and without chunks, the end of the connection ends the body.
                self._complete(reusable=False)
                self._report_completed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._can_write.set()
        ended = RemoteProtocolError if self._received_data else IdleConnectionClosed
        self._fail(ended(f"the connection ended: {exc!r}"))
        self._owner.discard(self)

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        if self._response is None:
            # A second response for one request. It cannot be matched to a request.
            self.abort()
        else:
            self._response.raw_headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        response = self._response
        if response is not None and not response.status:
            response.raw_headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 or self._response is None:
            return
        self._response.status = status
        if self._is_head_request:
            # The parser does not know the method of the request and would wait for a body.
            self._complete(reusable=False)
        elif not self._response.is_short:
            self._report(self._response)

    def on_body(self, body: bytes) -> None:
        if self._response is not None:
            self._response.feed(body)

    def on_message_complete(self) -> None:
        response = self._response
        if response is None or response.complete or not response.status:
            return
        reusable = self._parser.should_keep_alive()
        if not reusable:
            self._owner.drain()
        self._complete(reusable=reusable)

    # One request.

    def start(self, request: bytes, timeout_seconds: float, on_result: OnResult) -> None:
        """Sends a whole request. `timeout_seconds` is that of `request`."""
        assert self._transport is not None
        self._begin(request, timeout_seconds, on_result)
        self._transport.write(request)
        self._count_as_sent()

    async def request(
        self,
        head: bytes,
        body: AsyncIterable[bytes] | None,
        content_length: int | None,
        timeout_seconds: float,
    ) -> Response:
        """Sends the request and returns when the response has arrived, or its head if it is long.

        `content_length` is the one in `head`; without it the body is sent in chunks.
        `timeout_seconds` bounds the time without any byte in either direction, before the response
        and within it.

        Raises RemoteProtocolError and ReadTimeout.
        """
        assert self._transport is not None
        received: asyncio.Future[Response] = self._loop.create_future()
        response = self._begin(head, timeout_seconds, partial(_settle, received))
        try:
            if body is None:
                self._transport.write(head)
                self._count_as_sent()
            else:
                await self._send_body(head, body, content_length)
            return await received
        except BaseException as error:
            # If the response is complete, the connection may carry another request by now.
            if self._response is response:
                self._fail(RemoteProtocolError(f"the request was given up: {error!r}"))
            raise

    def _begin(self, head: bytes, timeout_seconds: float, on_result: OnResult) -> Response:
        self._received_data = False
        self._request_sent = False
        self._is_head_request = head.startswith(b"HEAD ")
        self._timeout_seconds = timeout_seconds
        self._active_at = self._loop.time()
        self._response = Response(self)
        self._on_result = on_result
        self._timer = self._loop.call_later(timeout_seconds, self._check_timeout)
        return self._response

    async def _send_body(
        self, head: bytes, body: AsyncIterable[bytes], content_length: int | None
    ) -> None:
        """Stops early if the response arrives first: a service may refuse a body unread (413).

        The head is written together with the first part of the body: that saves a system call here
        and may save one at the replica.
        """
        assert self._transport is not None
        chunked = content_length is None
        sent = 0
        async for chunk in body:
            if self._on_result is None:
                break
            sent += len(chunk)
            part = b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk
            if head:
                self._transport.writelines((head, part))
                head = b""
            else:
                self._transport.write(part)
            self._active_at = self._loop.time()
            if not self._can_write.is_set():
                await self._can_write.wait()
        else:
            if chunked:
                self._transport.write(head + b"0\r\n\r\n")
            elif sent != content_length:
                # The service would take the start of the next request for the rest of this body.
                raise RemoteProtocolError(
                    f"the body has {sent} bytes, and its content-length is {content_length}"
                )
            self._count_as_sent()

    def _complete(self, *, reusable: bool) -> None:
        response = self._response
        assert response is not None
        self._stop_timer()
        response.finish()
        self._response = None
        if reusable and self._request_sent:
            self.resume_reading()
            self._idle_since = self._active_at
            self._owner.release(self)
        else:
            self.abort()
        self._completed = response

    def _report_completed(self) -> None:
        """Reports a complete response. This waits until the parser has read all data: the receiver
        may send another request at once, and data after this response must not be taken for the
        next one."""
        completed, self._completed = self._completed, None
        if completed is not None:
            self._report(completed)

    def _fail(self, error: Exception) -> None:
        self._stop_timer()
        response, self._response = self._response, None
        if response is not None:
            response.finish(error)
        self.abort()
        self._report(error)

    def _count_as_sent(self) -> None:
        self._request_sent = True
        # A service may respond before it has received the whole body.
        if self._on_result is not None:
            self._is_counted = True
            self._owner.awaiting_response += 1

    def _report(self, result: Response | Exception) -> None:
        on_result, self._on_result = self._on_result, None
        if self._is_counted:
            self._is_counted = False
            self._owner.awaiting_response -= 1
        if on_result is not None:
            on_result(result)

    def _check_timeout(self) -> None:
        remaining = self._active_at + self._timeout_seconds - self._loop.time()
        if remaining <= 0 and not self._reading_paused:
            self._fail(ReadTimeout())
        else:
            self._timer = self._loop.call_later(max(remaining, 0.05), self._check_timeout)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The transport.

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def idle_seconds(self) -> float:
        """For how long it has been idle, if it is."""
        return self._loop.time() - self._idle_since

    def pause_reading(self) -> None:
        if self._transport is not None and not self._reading_paused and self.is_open:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and self._reading_paused:
            self._reading_paused = False
            self._active_at = self._loop.time()
            if self.is_open:
                self._transport.resume_reading()

    def abort(self) -> None:
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()


def _settle(received: "asyncio.Future[Response]", result: Response | Exception) -> None:
    if received.done():
        return
    if isinstance(result, Response):
        received.set_result(result)
    else:
        received.set_exception(result)
        # Marks the exception as retrieved: asyncio logs it otherwise if the caller is gone.
        received.exception()
