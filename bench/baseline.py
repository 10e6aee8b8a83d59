"""The baseline: the cheapest possible chain of two Python processes that sends a page.

`front` is a plain ASGI application that forwards each request over a kept-alive connection; `back`
sends a page from memory (`/memory`) or after one query to PostgreSQL (`/database`). Both have no
identity, error handling, timeouts, logs or metrics.
"""

import os
from collections import deque

import asyncpg
from starlette.types import Receive, Scope, Send

from .raw_http import Connection, connect, encode_request

BACK, DATABASE, BYTES = "BASELINE_BACK", "BASELINE_DATABASE", "BASELINE_BYTES"
TABLE = "public.bench_page"


async def _lifespan(receive: Receive, send: Send) -> None:
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


async def _respond(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Front:
    def __init__(self) -> None:
        self._url = os.environ.get(BACK, "")
        self._free: deque[Connection] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        connection = self._free.popleft() if self._free else await connect(self._url)
        connection.keeps_body = True
        await connection.send(encode_request(self._url, scope["path"]))
        body = bytes(connection.body)
        self._free.append(connection)
        await _respond(send, body)


class Back:
    def __init__(self) -> None:
        self._page = b"x" * int(os.environ.get(BYTES, "0"))
        self._pool: asyncpg.Pool | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._pool = await asyncpg.create_pool(os.environ[DATABASE], min_size=0, reset=_nothing)
            await _lifespan(receive, send)
            return
        page = self._page
        if scope["path"] == "/database":
            assert self._pool is not None
            async with self._pool.acquire() as connection:
                page = await connection.fetchval(f"select body from {TABLE} where id = $1", 1)
        await _respond(send, page)


async def _nothing(_: asyncpg.Connection) -> None:
    pass


front, back = Front(), Back()
