"""What a client may do before its request is known: a bounded head, in a bounded time."""

import asyncio
import json
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .errors import HeadTooLarge, MalformedRequest, Problem, RequestTimeout

HEAD_BYTES = 64 * 1024
"""What may come without the head being whole; cookies and a long address are a tenth of it."""
HEAD_SECONDS = 10


class Protocol(HttpToolsProtocol):
    """uvicorn's, which by itself takes a head of any size and waits for it for ever."""

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest())

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_is_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._head_bytes:
            self._refuse(RequestTimeout())
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        self._head_is_here()
        # An answer to a request before this one may be on its way: then nothing goes between.
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            body = json.dumps(problem.body()).encode()
            phrase = HTTPStatus(problem.status).phrase
            head = (
                f"HTTP/1.1 {problem.status} {phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
