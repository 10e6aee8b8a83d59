"""Sends raw bytes to a port, for requests that no client library would send."""

import asyncio
import contextlib

from tests.waiting import PATIENCE_SECONDS


async def send_raw(port: int, *sent: bytes) -> bytes:
    """Returns the bytes that arrive until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        # The server may refuse the request and close the connection before it is sent.
        with contextlib.suppress(ConnectionError):
            for part in sent:
                writer.write(part)
                await writer.drain()
        # The closed connection may have been reset, which discards the response.
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await reader.read()
        return b""
    finally:
        writer.close()
