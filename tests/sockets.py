"""Bytes as they are, to a port and back: for what no client library would send."""

import asyncio
import contextlib

from tests.waiting import PATIENCE_SECONDS


async def said(port: int, *sent: bytes) -> bytes:
    """All that comes until the other side ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        # Who is refused in the middle of it may find the connection ended.
        with contextlib.suppress(ConnectionError):
            for part in sent:
                writer.write(part)
                await writer.drain()
        # Where the rest met an ended connection, the answer may be lost with it.
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await reader.read()
        return b""
    finally:
        writer.close()
