"""A store that stops responding affects only the requests that wait for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import structlog
from starlette.types import Message

from chassis.http.errors import ServiceUnavailable
from services.media import storage
from services.media.api.downloads import DownloadResponse
from services.media.settings import Settings
from services.media.storage import Storage
from tests.waiting import PATIENCE_SECONDS


class SilentStore:
    """Sends the first part of a long object, or nothing at all, and then nothing more."""

    def __init__(self) -> None:
        self.first = b""
        self.left = asyncio.Event()
        self._serving: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.first)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            await reader.read()
        self.left.set()

    async def stop(self) -> None:
        for writer in self._serving:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
async def silent(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[SilentStore, Storage]]:
    # No test waits so long.
    monkeypatch.setattr(storage, "_READ_TIMEOUT_SECONDS", 10 * PATIENCE_SECONDS)
    store = SilentStore()
    server = await asyncio.start_server(store.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        client = Storage(Settings(s3_endpoint=f"127.0.0.1:{port}"))
        yield store, client
        server.close()
        await store.stop()
        await asyncio.to_thread(client._threads.shutdown)


async def test_a_client_that_disconnects_releases_the_connection_and_blocks_nobody(
    silent: tuple[SilentStore, Storage],
) -> None:
    store, client = silent
    size = storage.CHUNK_BYTES * 3
    store.first = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
    store.first += bytes(storage.CHUNK_BYTES + 1)

    # Often, because reading and closing happen in two threads.
    for _ in range(600):
        response = DownloadResponse(await client.get("x", 0, size), 200, {}, "image/png")
        arrived = asyncio.Event()

        async def send(message: Message, arrived: asyncio.Event = arrived) -> None:
            if message.get("body"):
                arrived.set()

        async def receive(arrived: asyncio.Event = arrived) -> Message:
            await arrived.wait()
            return {"type": "http.disconnect"}

        store.left.clear()
        await response({"type": "http", "asgi": {"spec_version": "2.0"}}, receive, send)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await store.left.wait()


async def test_every_request_to_a_silent_store_fails_in_time(
    silent: tuple[SilentStore, Storage], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = silent
    monkeypatch.setattr(storage, "_CALL_TIMEOUT_SECONDS", 0.5)

    async with asyncio.timeout(PATIENCE_SECONDS):
        responses = await asyncio.gather(
            *(client.get("x", 0, 1) for _ in range(storage._THREADS * 2)), return_exceptions=True
        )

    assert {type(response) for response in responses} == {ServiceUnavailable}


async def test_the_log_does_not_name_a_picture_that_cannot_be_reached() -> None:
    client = Storage(Settings(s3_endpoint="127.0.0.1:1"))
    name = storage.new_name("png")

    with structlog.testing.capture_logs() as lines, pytest.raises(ServiceUnavailable):
        await client.get(name, 0, 1)

    assert [line["event"] for line in lines] == ["storage.unavailable"]
    assert name not in str(lines)
