"""One event stream: the connection to a stream process, and the response to the client.

`ForwardedStream` is at once the protocol of that connection and the sender of the response, and
passes each piece on in the callback in which it arrives (`chassis.http.event_stream` explains how).
"""

import asyncio
import time
from typing import cast
from urllib.parse import urlsplit

import httptools
from starlette.types import Send

from chassis.http import event_stream
from chassis.http.errors import BadGateway

from .limits import Header

_CONNECT_TIMEOUT_SECONDS = 1.0
_HEAD_TIMEOUT_SECONDS = 10.0
_MAX_PROBLEM_BYTES = 64 * 1024
_FORWARDED_RESPONSE_HEADERS = (b"content-type", b"retry-after", b"allow")


class ForwardedStream(asyncio.Protocol):
    """A stream through this gateway."""

    __slots__ = (
        "_head",
        "_is_attached",
        "_parser",
        "_pending",
        "_send",
        "_task",
        "_transport",
        "active_at",
        "check_at",
        "checked_at",
        "digest",
        "headers",
        "kind",
        "reason",
        "status",
        "unconfirmed_at",
        "user_id",
    )

    def __init__(self, user_id: int, kind: str, digest: bytes, send: Send) -> None:
        self.user_id = user_id
        self.kind = kind
        self.digest = digest
        self.check_at = 0.0
        """When to ask again whether the credential is valid, as a time of `time.monotonic`."""
        self.checked_at = self.active_at = time.monotonic()
        self.unconfirmed_at = 0.0
        """When a check of the credential first failed because users did not respond; 0 if the last
        check got an answer."""
        self.status = 0
        self.headers: list[Header] = []
        self.reason = ""
        self._send = send
        self._task = asyncio.current_task()
        self._is_attached = False
        self._pending: list[bytes] = []
        """What has arrived since the last call of `_pass_on`."""
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._head: asyncio.Future[None] | None = None

    # Callbacks of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport and do not inherit from it.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.active_at = time.monotonic()
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._lose()
        else:
            if self._is_attached and self._pending:
                self._pass_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose()
        self._parser = None

    # Callbacks of the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status and name.lower() in _FORWARDED_RESPONSE_HEADERS:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        if self.status == 200:
            self._resolve_head()

    def on_body(self, body: bytes) -> None:
        self._pending.append(body)
        if not self._is_attached and sum(map(len, self._pending)) > _MAX_PROBLEM_BYTES:
            self._lose()

    def on_message_complete(self) -> None:
        if self.status != 200:
            self._resolve_head()
            return
        if self._is_attached and self._pending:
            self._pass_on()
        self.finish("service")

    # Opening.

    async def open(self, replica: str, request: bytes) -> None:
        """Sends the request, and returns when there is a response: a stream, or a whole refusal.

        Raises OSError if the replica accepts no connection, and TimeoutError and BadGateway.
        """
        loop = asyncio.get_running_loop()
        parts = urlsplit(replica)
        self._head = loop.create_future()
        async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
            await loop.create_connection(lambda: self, parts.hostname or "", parts.port or 80)
        assert self._transport is not None
        self._transport.write(request + b"host: " + parts.netloc.encode() + b"\r\n\r\n")
        async with asyncio.timeout(_HEAD_TIMEOUT_SECONDS):
            await self._head
        self._head = None

    def attach(self) -> None:
        """The head of the response is sent: from now on, what arrives is passed on."""
        self._is_attached = True
        self.headers.clear()
        if self._pending:
            self._pass_on()
        if self._transport is None:
            # It was lost while the head was sent to the client.
            self.finish("service")

    def received(self) -> bytes:
        return b"".join(self._pending)

    def _resolve_head(self) -> None:
        if self._head is not None and not self._head.done():
            self._head.set_result(None)

    # Passing on, and closing.

    def _pass_on(self) -> None:
        content = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        if not self.reason and not event_stream.send_now(self._send, event_stream.chunk(content)):
            self.cut_off("slow")

    def _lose(self) -> None:
        if self._head is not None and not self._head.done():
            self._head.set_exception(BadGateway())
            # Marks the exception as retrieved: asyncio logs it otherwise if the caller is gone.
            self._head.exception()
        self.finish("service")

    def finish(self, reason: str, farewell: bytes | None = None) -> None:
        """Ends the response in order, so that the client learns of it at once."""
        if self.reason or not self._is_attached:
            self.close()
            return
        self.reason = reason
        self.close()
        # The end of the response wakes the coroutine that waits for the client to disconnect.
        last = event_stream.chunk(event_stream.retry() if farewell is None else farewell)
        if not (
            event_stream.send_now(self._send, last)
            and event_stream.send_now(self._send, event_stream.LAST_CHUNK)
        ):
            self._cancel()

    def cut_off(self, reason: str) -> None:
        """Ends the response without waiting for a client that does not read."""
        if not self.reason:
            self.reason = reason
            self.close()
            self._cancel()

    def close(self) -> None:
        """Closes the connection to the stream process."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
