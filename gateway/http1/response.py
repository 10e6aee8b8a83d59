"""An answer on its way, and what may go wrong with it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol, Self

_BUFFERED = 256 * 1024
"""What is held of a body that comes faster than it goes out."""


class NoConnection(Exception):
    """The replica takes no connection: nothing was sent."""


class Full(Exception):
    """The replica has as many of our requests as it may: nothing was sent."""


class Broken(Exception):
    """The connection ended, or the answer is no HTTP."""


class Silent(TimeoutError):
    """Nothing came for as long as was allowed."""


class Source(Protocol):
    """Where an answer comes from."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None: ...


class Response:
    """An answer whose head is here. Use as `async with`: what is not read is not waited for."""

    def __init__(self, source: "Source") -> None:
        self.status = 0
        self.raw_headers: list[tuple[bytes, bytes]] = []
        """Names are in lower case."""
        self.complete = False
        self._source = source
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    def header(self, wanted: bytes) -> str | None:
        for name, value in self.raw_headers:
            if name == wanted:
                return value.decode("latin-1")
        return None

    @property
    def content_length(self) -> int | None:
        length = self.header(b"content-length")
        return int(length) if length is not None else None

    @property
    def content_type(self) -> str:
        return (self.header(b"content-type") or "").partition(";")[0].strip().lower()

    async def read(self) -> bytes:
        """The whole body. Raises Broken and Silent, as `stream` does."""
        if self.complete and len(self._chunks) == 1:
            return self._chunks.popleft()
        return b"".join([chunk async for chunk in self.stream()])

    async def stream(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._held -= len(chunk)
                # A source that is done may be giving another answer by now.
                if self._held < _BUFFERED and not self.complete:
                    self._source.resume()
                yield chunk
            if self.complete:
                return
            if self._error is not None:
                raise self._error
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self.complete:
            self._source.abort()

    def take(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._held += len(chunk)
        if self._held >= _BUFFERED:
            self._source.pause()
        self._wake()

    def finish(self, error: Exception | None = None) -> None:
        self.complete = error is None
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
