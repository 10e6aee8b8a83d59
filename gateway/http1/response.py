"""A response whose body may still be arriving, and the errors of the client."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol, Self

MAX_SHORT_BODY_BYTES = 64 * 1024
"""A response whose body is not longer than this is reported when it is complete, others when their
head has arrived."""
_MAX_BUFFERED_BYTES = 256 * 1024
"""When the reader of a body is slower than the replica, the connection stops reading at this size.
TCP flow control then slows the replica down."""
_WITHOUT_BODY = (204, 304)


class ConnectError(Exception):
    """The replica accepted no connection. Nothing was sent."""


class PoolFull(Exception):
    """The replica has as many requests from this gateway as it may have. Nothing was sent."""


class RemoteProtocolError(Exception):
    """The connection ended before the response was complete, or the response is not valid HTTP."""


class IdleConnectionClosed(RemoteProtocolError):
    """The connection ended before anything was received. The service may have closed it as an idle
    one, in the moment in which the request was sent."""


class ReadTimeout(TimeoutError):
    """The replica sent nothing for as long as was allowed."""


class FlowControl(Protocol):
    """The part of a connection that a response controls."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None: ...


class Response:
    """A response: complete if it is short, otherwise its body may follow.

    Use it as `async with response`. Leaving the block before the body was read aborts the
    connection, because the rest of the body would be taken for the next response.
    """

    def __init__(self, connection: FlowControl) -> None:
        self.status = 0
        self.raw_headers: list[tuple[bytes, bytes]] = []
        """Names are in lower case."""
        self.complete = False
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._buffered_bytes = 0
        self._error: Exception | None = None
        self._reader_waiting: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> str | None:
        for header_name, value in self.raw_headers:
            if header_name == name:
                return value.decode("latin-1")
        return None

    @property
    def content_length(self) -> int | None:
        length = self.header(b"content-length")
        return int(length) if length is not None else None

    @property
    def is_short(self) -> bool:
        if self.status in _WITHOUT_BODY:
            return True
        length = self.content_length
        return length is not None and length <= MAX_SHORT_BODY_BYTES

    @property
    def content_type(self) -> str:
        return (self.header(b"content-type") or "").partition(";")[0].strip().lower()

    def whole_body(self) -> bytes | None:
        """The body if it is complete."""
        if not self.complete:
            return None
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    async def read(self) -> bytes:
        """The whole body. Raises RemoteProtocolError and ReadTimeout, as `stream` does."""
        return b"".join([chunk async for chunk in self.stream()])

    async def stream(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._buffered_bytes -= len(chunk)
                # A connection that has completed this response may be receiving the next one.
                if self._buffered_bytes < _MAX_BUFFERED_BYTES and not self.complete:
                    self._connection.resume_reading()
                yield chunk
            if self.complete:
                return
            if self._error is not None:
                raise self._error
            self._reader_waiting = asyncio.get_running_loop().create_future()
            await self._reader_waiting

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self.complete:
            self._connection.abort()

    def feed(self, chunk: bytes) -> None:
        """Called by the connection for each chunk of the body."""
        self._chunks.append(chunk)
        self._buffered_bytes += len(chunk)
        if self._buffered_bytes >= _MAX_BUFFERED_BYTES:
            self._connection.pause_reading()
        self._wake_reader()

    def finish(self, error: Exception | None = None) -> None:
        """Called by the connection at the end of the body, or when it failed."""
        self.complete = error is None
        self._error = error
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._reader_waiting is not None and not self._reader_waiting.done():
            self._reader_waiting.set_result(None)
