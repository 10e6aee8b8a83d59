"""A lean HTTP/1.1 client for the services: pooled connections, bodies streamed both ways.

It knows what the gateway needs and no more: no redirects, cookies, proxies, compression or TLS. The
parser is httptools', the one of the server. Why it is there: docs/adr/0013.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Self, cast
from urllib.parse import urlsplit

import httptools

_IDLE_SECONDS = 30.0
_PER_REPLICA = 500
_BUFFERED = 256 * 1024
"""What is held of a body that comes faster than it goes out."""
_REPEATABLE = frozenset(("GET", "HEAD", "DELETE"))

Headers = Mapping[str, str]


class NoConnection(Exception):
    """The replica takes no connection: nothing was sent."""


class Broken(Exception):
    """The connection ended, or the answer is no HTTP."""


class Silent(TimeoutError):
    """Nothing came for as long as was allowed."""


class Response:
    """An answer whose head is here. Use as `async with`: what is not read is not waited for."""

    def __init__(self, connection: "_Connection") -> None:
        self.status = 0
        self.raw_headers: list[tuple[bytes, bytes]] = []
        """Names are in lower case."""
        self.complete = False
        self._connection = connection
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
                if self._held < _BUFFERED:
                    self._connection.resume()
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
            self._connection.abort()

    def take(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._held += len(chunk)
        if self._held >= _BUFFERED:
            self._connection.pause()
        self._wake()

    def finish(self, error: Exception | None = None) -> None:
        self.complete = error is None
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, pool: "_Pool") -> None:
        self._pool = pool
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
        self._pool.lost(self)

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
        self._complete(reusable=self._parser.should_keep_alive())

    # One request.

    async def ask(
        self, head: bytes, body: AsyncIterable[bytes] | None, chunked: bool, seconds: float
    ) -> Response:
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
            if body is None:
                return await self._head
            return await self._send(body, chunked)
        except BaseException:
            self.abort()
            raise

    async def _send(self, body: AsyncIterable[bytes], chunked: bool) -> Response:
        """Sends the body, and gives the answer, which may come before the body's end."""
        assert self._transport is not None
        assert self._head is not None
        async for chunk in body:
            if self._head.done():
                break
            self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            self._active_at = self._loop.time()
            if not self._can_write.is_set():
                await self._can_write.wait()
        else:
            if chunked:
                self._transport.write(b"0\r\n\r\n")
            self._sent = True
        return await self._head

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
            self._pool.give_back(self)
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


class _Pool:
    """The connections to one replica."""

    def __init__(self, url: str, connect_seconds: float) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        self._address = parts.hostname or "", parts.port or 80
        self._connect_seconds = connect_seconds
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()
        self.room = asyncio.Semaphore(_PER_REPLICA)

    def at_hand(self) -> _Connection | None:
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    async def connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self), *self._address
                )
        except OSError as error:
            raise NoConnection(f"{self.host}: {error!r}") from error
        self._all.add(connection)
        return connection

    def give_back(self, connection: _Connection) -> None:
        self._idle.append(connection)

    def lost(self, connection: _Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        for connection in list(self._all):
            connection.abort()


class Client:
    def __init__(self, connect_seconds: float) -> None:
        self._connect_seconds = connect_seconds
        self._pools: dict[str, _Pool] = {}

    async def request(
        self,
        method: str,
        replica: str,
        target: str,
        headers: Headers,
        body: AsyncIterable[bytes] | None = None,
        seconds: float = 10.0,
    ) -> Response:
        """The answer's head, its body on the way. `replica` is a base address, `target` as it goes
        over the wire; `seconds` bounds every silence.

        Raises NoConnection, Silent, Broken.
        """
        pool = self._pools.get(replica)
        if pool is None:
            pool = self._pools[replica] = _Pool(replica, self._connect_seconds)
        chunked = body is not None and "content-length" not in headers
        head = _head(method, target, pool.host, headers, body is not None, chunked)
        async with pool.room:
            connection = pool.at_hand()
            if connection is not None:
                try:
                    return await connection.ask(head, body, chunked, seconds)
                except Broken:
                    # The service may have ended an idle connection just now.
                    if connection.answered or body is not None or method not in _REPEATABLE:
                        raise
            connection = await pool.connect()
            return await connection.ask(head, body, chunked, seconds)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()


def _head(
    method: str, target: str, host: str, headers: Headers, has_body: bool, chunked: bool
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if chunked:
        lines.append("transfer-encoding: chunked")
    elif not has_body and method not in ("GET", "HEAD") and "content-length" not in headers:
        lines.append("content-length: 0")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header holds the end of a line")
    return (head + "\r\n\r\n").encode("latin-1")
