"""A wire between a service and what it needs, which can be slow, silent, or break in the middle."""

import asyncio
from contextlib import suppress
from typing import Self

_CHUNK = 16 * 1024


class Wire:
    """A TCP proxy to a port of this machine. Use as `async with`; what is set holds at once."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        """Zero takes a free one, which is here once it is entered."""
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._callers: set[asyncio.StreamWriter] = set()
        self.flowing = asyncio.Event()
        """Cleared, nothing passes, and nobody is told."""
        self.flowing.set()
        self.delay = 0.0
        """Seconds that each chunk waits."""
        self.breaks_after: int | None = None
        """Bytes that pass in either direction before a connection ends."""
        self.broken = 0
        """Connections that ended so."""

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Takes no connection until it listens again, and ends those that there are."""
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Ends every connection of this moment."""
        for writer in list(self._open):
            writer.transport.abort()

    def say(self, words: bytes) -> None:
        """To everybody, beside what the target says."""
        for writer in self._callers:
            writer.write(words)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._open |= ends
        self._callers.add(writer)
        try:
            # Whoever ends first ends the other.
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pass(reader, far_writer)),
                    asyncio.ensure_future(self._pass(far_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        except asyncio.CancelledError:
            # The bed is left. asyncio's own streams complain of a task that is cancelled.
            return
        finally:
            self._open -= ends
            self._callers.discard(writer)
            for end in ends:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self.flowing.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.breaks_after is not None and passed + len(chunk) > self.breaks_after:
                    writer.write(chunk[: max(0, self.breaks_after - passed)])
                    await writer.drain()
                    self.broken += 1
                    return
                passed += len(chunk)
                writer.write(chunk)
                await writer.drain()
