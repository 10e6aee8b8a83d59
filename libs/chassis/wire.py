"""What a client may do with a connection: a bounded head in a bounded time, a body in a longer one,
and answers that it takes. It is the same at the gateway and at each service.
"""

import asyncio
import json
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .errors import (
    HeadTooLarge,
    MalformedRequest,
    Problem,
    RequestTimeout,
    ServiceOverloaded,
)

HEAD_BYTES = 64 * 1024
"""What may come without the head being whole; cookies and a long address are a tenth of it."""
HEAD_SECONDS = 10
BODY_SECONDS = 300
"""For a whole body: longer than the gateway gives the largest picture."""
TAKING_SECONDS = 60
"""In which a client takes what is ready for it: some 50 kB, when it has stopped."""
CONNECTIONS = 8_000
"""At a time, which leaves as many files as they can need on the other side of a gateway."""


class _Unkept(list[tuple[bytes, bytes]]):
    def append(self, _: tuple[bytes, bytes]) -> None:
        pass


class Protocol(HttpToolsProtocol):
    """uvicorn's, which by itself takes a head of any size and waits for it for ever, takes trailers
    for headers, and loses the body of a request that offers to go on in another protocol."""

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _body_deadline: asyncio.TimerHandle | None = None
    _in_body = False
    """Whether the last bytes brought a body on, or began it."""
    _beside_body = 0
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > CONNECTIONS:
            self._refuse(ServiceOverloaded())
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        self._body_is_here()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._in_body = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            self._refuse(MalformedRequest())
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(HeadTooLarge())
        elif self.cycle is not None and self.cycle.more_body:
            self._expect_body(len(data))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._head_is_here()
        self._in_body = True
        super().on_headers_complete()
        # What follows a body is no part of its head (RFC 9110, 6.5.1).
        self.headers = _Unkept()

    def on_body(self, body: bytes) -> None:
        self._in_body = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._body_is_here()
        if not self.parser.should_upgrade():
            super().on_message_complete()
            # Also where the answer went out before.
            self.cycle.more_body = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking = self.loop.call_later(TAKING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
        super().resume_writing()

    def _decline(self, rest: bytes) -> None:
        """Reads a request that offers another protocol as if it did not (RFC 9110, 7.8): the parser
        has taken it to end with its head. `rest` came behind that."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(MalformedRequest())
            return
        head = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        head += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.data_received(b"\r\n".join([*head, b"", rest]))

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_is_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expect_body(self, received: int) -> None:
        if self._body_deadline is None:
            self._body_deadline = self.loop.call_later(BODY_SECONDS, self._give_up)
        # Headers behind a body and extensions of its chunks are kept by the parser until they end.
        self._beside_body = 0 if self._in_body else self._beside_body + received
        if self._beside_body > HEAD_BYTES:
            self._refuse(HeadTooLarge())

    def _body_is_here(self) -> None:
        if self._body_deadline is not None:
            self._body_deadline.cancel()
            self._body_deadline = None

    def _give_up(self) -> None:
        if self._head_bytes or self._deadline is None:
            self._refuse(RequestTimeout())
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        self._head_is_here()
        if not self.transport.is_closing() and self._may_answer():
            body = json.dumps(problem.body()).encode()
            phrase = HTTPStatus(problem.status).phrase
            extra = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items())
            head = (
                f"HTTP/1.1 {problem.status} {phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n{extra}\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether nothing would come between: an answer to a request before may be on its way."""
        cycle = self.cycle
        if cycle is None:
            return True
        if not cycle.more_body:
            return cycle.response_complete
        if self.pipeline or cycle.response_started:
            return False
        # It is the body of this very request: the application has nothing more to say.
        cycle.disconnected = True
        return True
