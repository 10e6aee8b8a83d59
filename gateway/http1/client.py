"""The client, and its connection pools: one pool for each replica.

A request checks out the connection that was released last, and opens a new one if none is idle. A
connection carries one request at a time. It returns to the pool only when the response is complete
and the whole body of the request was sent. Every other end (an error, a caller that was cancelled,
a reader that stopped early) closes it, because leftover bytes would be taken for the next response.

Two limits bound a pool; at either, `request` raises PoolFull at once. At most 50 requests are sent
completely and await their response: more would only queue inside the replica, and a request that
queues costs as much as one that is served (docs/adr/0024). At most 500 have no response yet in
total, without those that `start` sends; the difference is for slow uploads, which so take no place
from other requests. Connections that are being opened count towards the 50: otherwise every request
of a burst would pass the check before the first of them is counted.

Keep-alive has two races with a replica that closes a connection. If an idle connection is closed
just as a request is written to it, a GET or HEAD without a body is sent again on a new connection,
provided that nothing was received for it. And a replica that shuts down answers with
`Connection: close` for its last second: the first such response makes the pool close all idle
connections, and `on_draining` is called, so that other replicas are preferred.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from urllib.parse import urlsplit

from .connection import Connection, OnResult
from .response import ConnectError, IdleConnectionClosed, PoolFull, Response

_IDLE_SECONDS = 30.0
_MAX_REQUESTS = 500
"""Requests to one replica without a response, including those whose body is still being sent."""
_MAX_AWAITING = 50
"""Requests to one replica that were sent completely and have no response yet."""
REPEATABLE_METHODS = frozenset(("GET", "HEAD"))
"""DELETE is idempotent and is not here: repeated, it would answer 404 for a deletion that was done
by the first try."""

Headers = Mapping[str, str]
DrainingCallback = Callable[[str], None]
"""Called with the URL of a replica that is about to stop."""


def _ignore(_: str) -> None:
    pass


class _ConnectionPool:
    """The connections to one replica."""

    def __init__(
        self, url: str, connect_timeout_seconds: float, on_draining: DrainingCallback
    ) -> None:
        self._url = url
        self._on_draining = on_draining
        parts = urlsplit(url)
        self.host = parts.netloc
        self._address = parts.hostname or "", parts.port or 80
        self._connect_timeout_seconds = connect_timeout_seconds
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self.in_progress = 0
        self.awaiting_response = 0
        self._connecting = 0

    @property
    def room(self) -> int:
        if self.in_progress >= _MAX_REQUESTS:
            return 0
        return max(0, _MAX_AWAITING - self.awaiting_response - self._connecting)

    def checkout(self) -> Connection | None:
        """An idle connection, the one that was released last; None if there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.idle_seconds < _IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    async def connect(self) -> Connection:
        """A new connection. Raises ConnectError."""
        loop = asyncio.get_running_loop()
        self._connecting += 1
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                _, connection = await loop.create_connection(
                    lambda: Connection(self), *self._address
                )
        except OSError as error:
            raise ConnectError(f"{self.host}: {error!r}") from error
        finally:
            self._connecting -= 1
        self._connections.add(connection)
        return connection

    def release(self, connection: Connection) -> None:
        self._idle.append(connection)

    def drain(self) -> None:
        self._on_draining(self._url)
        for connection in list(self._idle):
            connection.abort()

    def discard(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        for connection in list(self._connections):
            connection.abort()


class HttpClient:
    def __init__(
        self, connect_timeout_seconds: float, on_draining: DrainingCallback = _ignore
    ) -> None:
        self._on_draining = on_draining
        self._connect_timeout_seconds = connect_timeout_seconds
        self._pools: dict[str, _ConnectionPool] = {}

    def room(self, replica: str) -> int:
        """How many requests this replica may get now; with 0, `request` raises PoolFull."""
        return self._pool(replica).room

    def _pool(self, replica: str) -> _ConnectionPool:
        pool = self._pools.get(replica)
        if pool is None:
            pool = _ConnectionPool(replica, self._connect_timeout_seconds, self._on_draining)
            self._pools[replica] = pool
        return pool

    async def request(
        self,
        method: str,
        replica: str,
        target: str,
        headers: Headers,
        body: AsyncIterable[bytes] | None = None,
        timeout_seconds: float = 10.0,
    ) -> Response:
        """Returns when the response has arrived, or its head if it is long.

        `replica` is a base URL, `target` the path with its query, already encoded.
        `timeout_seconds` bounds the time without any byte, before the response and within it.

        Raises PoolFull, ConnectError, ReadTimeout, RemoteProtocolError, and ValueError for a header
        with a line break.
        """
        pool = self._pool(replica)
        if not pool.room:
            raise PoolFull
        length = int(headers["content-length"]) if "content-length" in headers else None
        chunked = body is not None and length is None
        head = _request_head(
            method, target, pool.host, headers, has_body=body is not None, chunked=chunked
        )
        pool.in_progress += 1
        try:
            connection = pool.checkout()
            if connection is not None:
                try:
                    return await connection.request(head, body, length, timeout_seconds)
                except IdleConnectionClosed:
                    if body is not None or method not in REPEATABLE_METHODS:
                        raise
            connection = await pool.connect()
            return await connection.request(head, body, length, timeout_seconds)
        finally:
            pool.in_progress -= 1

    def start(
        self,
        method: str,
        replica: str,
        target: str,
        headers: Headers,
        body: bytes,
        timeout_seconds: float,
        on_result: OnResult,
    ) -> bool:
        """Sends a request, if a connection is idle. Returns whether it has. The parameters are
        those of `request`; the length of a body is in `headers`.

        Unlike `request`, this needs no task, and repeats nothing.
        """
        pool = self._pool(replica)
        has_body = bool(body)
        head = _request_head(method, target, pool.host, headers, has_body=has_body, chunked=False)
        connection = pool.checkout() if pool.room else None
        if connection is None:
            return False
        connection.start(head + body, timeout_seconds, on_result)
        return True

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()


def _request_head(
    method: str, target: str, host: str, headers: Headers, *, has_body: bool, chunked: bool
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if chunked:
        lines.append("transfer-encoding: chunked")
    elif not has_body and method not in ("GET", "HEAD") and "content-length" not in headers:
        lines.append("content-length: 0")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header contains a line break")
    return (head + "\r\n\r\n").encode("latin-1")
