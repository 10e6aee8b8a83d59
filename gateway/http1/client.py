"""The pools, one for each replica, and the request as it goes over the wire."""

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from urllib.parse import urlsplit

from .connection import Connection
from .response import Broken, Full, NoConnection, Response

_IDLE_SECONDS = 30.0
_PER_REPLICA = 500
_WAITING = 50
"""Requests to one replica that are sent and not answered: more would only wait for each other."""
_REPEATABLE = frozenset(("GET", "HEAD"))
"""A DELETE is not: the second one finds nothing, and says so of a deletion that was done."""

Headers = Mapping[str, str]
Leaving = Callable[[str], None]
"""Hears of a replica that ends its connections, since it is about to stop."""


def _nobody(_: str) -> None:
    pass


class _Pool:
    """The connections to one replica."""

    def __init__(self, url: str, connect_seconds: float, left: Leaving) -> None:
        self._url = url
        self._left = left
        parts = urlsplit(url)
        self.host = parts.netloc
        self._address = parts.hostname or "", parts.port or 80
        self._connect_seconds = connect_seconds
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self.room = asyncio.Semaphore(_PER_REPLICA)
        self.waiting = 0
        self._connecting = 0

    @property
    def full(self) -> bool:
        # Of many who come at one moment, all would find that nobody waits yet.
        return self.waiting + self._connecting >= _WAITING or self.room.locked()

    def at_hand(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        self._connecting += 1
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await loop.create_connection(
                    lambda: Connection(self), *self._address
                )
        except OSError as error:
            raise NoConnection(f"{self.host}: {error!r}") from error
        finally:
            self._connecting -= 1
        self._all.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        self._idle.append(connection)

    def leaving(self) -> None:
        self._left(self._url)
        for connection in list(self._idle):
            connection.abort()

    def lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        for connection in list(self._all):
            connection.abort()


class Client:
    def __init__(self, connect_seconds: float, leaving: Leaving = _nobody) -> None:
        self._leaving = leaving
        self._connect_seconds = connect_seconds
        self._pools: dict[str, _Pool] = {}

    def full(self, replica: str) -> bool:
        """Whether the replica would be given nothing at this moment."""
        return self._pool(replica).full

    def _pool(self, replica: str) -> _Pool:
        pool = self._pools.get(replica)
        if pool is None:
            pool = self._pools[replica] = _Pool(replica, self._connect_seconds, self._leaving)
        return pool

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

        Raises Full, NoConnection, Silent, Broken.
        """
        pool = self._pool(replica)
        if pool.full:
            raise Full
        length = int(headers["content-length"]) if "content-length" in headers else None
        chunked = body is not None and length is None
        head = _head(method, target, pool.host, headers, body is not None, chunked)
        async with pool.room:
            connection = pool.at_hand()
            if connection is not None:
                try:
                    return await connection.ask(head, body, length, seconds)
                except Broken:
                    # The service may have ended an idle connection just now.
                    if connection.answered or body is not None or method not in _REPEATABLE:
                        raise
            connection = await pool.connect()
            return await connection.ask(head, body, length, seconds)

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
