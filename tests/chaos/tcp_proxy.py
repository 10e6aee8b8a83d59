"""A TCP proxy that can delay, stall, break or refuse connections between a process and a server."""

import asyncio
from contextlib import suppress
from typing import Self

_CHUNK = 16 * 1024


class TcpProxy:
    """Forwards connections to a port of this machine. Use as `async with`.

    A change of its attributes takes effect at once, also for open connections.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        """With 0 the system chooses a free port; it is known after `async with` is entered."""
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._callers: set[asyncio.StreamWriter] = set()
        self.flowing = asyncio.Event()
        """While it is cleared, no bytes pass, and connections stay open."""
        self.flowing.set()
        self.delay = 0.0
        """Seconds by which each chunk (up to 16 KiB) is delayed."""
        self.breaks_after: int | None = None
        """Bytes that pass in a direction before the proxy ends a connection. None: no limit."""
        self.broken = 0
        """Number of connections that `breaks_after` ended."""

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Ends all connections and refuses new ones until `listen` is called."""
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Aborts all open connections."""
        for writer in list(self._open):
            writer.transport.abort()

    def say(self, words: bytes) -> None:
        """Sends bytes to all clients, in addition to those of the server."""
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
            # When one side closes, the other is closed too.
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pass(reader, far_writer)),
                    asyncio.ensure_future(self._pass(far_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        except asyncio.CancelledError:
            # At the end of a test. asyncio's streams would log an error for the cancelled task.
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
