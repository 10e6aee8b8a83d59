"""One connection to a replica. The parser is httptools', the one of the server."""

import asyncio
from collections.abc import AsyncIterable
from typing import Protocol, cast

import httptools

from .response import Broken, Response, Silent


class Owner(Protocol):
    """Who lends a connection out."""

    waiting: int
    """Requests that are sent and not answered."""

    def give_back(self, connection: "Connection") -> None: ...

    def leaving(self) -> None:
        """The replica ends its connections: none that is idle is to be used again."""

    def lost(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, owner: "Owner") -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._response: Response | None = None
        self._head: asyncio.Future[Response] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._seconds = 0.0
        self._active_at = 0.0
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._bodiless = False
        self._sent = False
        self._paused = False
        self.answered = False
        """Whether anything came back for the request that is under way."""
        self.idle_since = 0.0

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are one by what they do, not by descent.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._active_at = self._loop.time()
        self.answered = True
        if self._response is None:
            # Nobody asked.
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Broken(f"not HTTP: {error}"))

    def eof_received(self) -> None:
        response = self._response
        if response is not None and response.status and not response.complete:
            length = response.content_length
            chunked = response.header(b"transfer-encoding")
            if length is None and chunked is None:
                # A body that ends with its connection.
                self._complete(reusable=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._can_write.set()
        self._fail(Broken(f"the connection ended: {exc!r}"))
        self._owner.lost(self)

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    # What the parser tells.

    def on_message_begin(self) -> None:
        if self._response is None:
            # More than was asked for: whose answer that is nobody can tell.
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
        self._answer()
        if self._bodiless:
            # The parser cannot know that no body follows.
            self._complete(reusable=False)

    def on_body(self, body: bytes) -> None:
        if self._response is not None:
            self._response.take(body)

    def on_message_complete(self) -> None:
        response = self._response
        if response is None or response.complete or not response.status:
            return
        reusable = self._parser.should_keep_alive()
        if not reusable:
            self._owner.leaving()
        self._complete(reusable=reusable)

    # One request.

    async def ask(
        self, head: bytes, body: AsyncIterable[bytes] | None, length: int | None, seconds: float
    ) -> Response:
        """`length` is the one that the head says the body has; without one it goes in chunks."""
        assert self._transport is not None
        self.answered = False
        self._sent = body is None
        self._bodiless = head.startswith(b"HEAD ")
        self._seconds = seconds
        self._active_at = self._loop.time()
        self._response = Response(self)
        self._head = self._loop.create_future()
        self._timer = self._loop.call_later(seconds, self._look)
        self._transport.write(head)
        try:
            if body is not None:
                await self._send(body, length)
            self._owner.waiting += 1
            try:
                return await self._head
            finally:
                self._owner.waiting -= 1
        except BaseException:
            self.abort()
            raise

    async def _send(self, body: AsyncIterable[bytes], length: int | None) -> None:
        """Sends the body, or as much of it as is wanted: the answer may come before its end."""
        assert self._transport is not None
        assert self._head is not None
        chunked = length is None
        sent = 0
        async for chunk in body:
            if self._head.done():
                break
            sent += len(chunk)
            self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            self._active_at = self._loop.time()
            if not self._can_write.is_set():
                await self._can_write.wait()
        else:
            if chunked:
                self._transport.write(b"0\r\n\r\n")
            elif sent != length:
                # The service would read the rest out of the next request.
                raise Broken(f"a body of {sent} bytes was to have {length}")
            self._sent = True

    def _answer(self) -> None:
        if self._head is not None and not self._head.done() and self._response is not None:
            self._head.set_result(self._response)

    def _complete(self, *, reusable: bool) -> None:
        response = self._response
        assert response is not None
        self._stop_timer()
        response.finish()
        self._response = None
        if reusable and self._sent:
            self.resume()
            self.idle_since = self._loop.time()
            self._owner.give_back(self)
        else:
            self.abort()

    def _fail(self, error: Exception) -> None:
        self._stop_timer()
        response, self._response = self._response, None
        if self._head is not None and not self._head.done():
            self._head.set_exception(error)
            # Who asked may have gone away: then nobody hears of it.
            self._head.exception()
        if response is not None:
            response.finish(error)
        self.abort()

    def _look(self) -> None:
        left = self._active_at + self._seconds - self._loop.time()
        if left <= 0 and not self._paused:
            self._fail(Silent())
        else:
            self._timer = self._loop.call_later(max(left, 0.05), self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Its transport.

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def pause(self) -> None:
        if self._transport is not None and not self._paused and self.usable:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and self._paused:
            self._paused = False
            self._active_at = self._loop.time()
            if self.usable:
                self._transport.resume_reading()

    def abort(self) -> None:
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()
