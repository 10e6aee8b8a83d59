"""A client of Server-Sent Events for tests."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import httpx

from .waiting import PATIENCE_SECONDS, eventually


class StreamEvent(NamedTuple):
    id: int
    name: str
    data: dict[str, Any]


class Stream:
    """An open stream, which collects what it gets."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.events: list[StreamEvent] = []
        self.last_id = 0
        """From this id a browser would resume: also heartbeats have one."""
        self.retry = 0
        self.is_over = False
        self.is_complete = False
        """Whether the server ended the response in order."""

    async def read(self) -> None:
        fields: dict[str, str] = {}
        try:
            async for line in self.response.aiter_lines():
                name, _, value = line.partition(":")
                if name:
                    fields[name] = value.lstrip()
                    continue
                if not line:
                    self._dispatch(fields)
                    fields = {}
            self.is_complete = True
        except httpx.HTTPError:
            pass
        finally:
            self.is_over = True

    def _dispatch(self, fields: Mapping[str, str]) -> None:
        self.last_id = int(fields.get("id", self.last_id))
        self.retry = int(fields.get("retry", self.retry))
        if "data" in fields:
            event = StreamEvent(self.last_id, fields["event"], json.loads(fields["data"]))
            self.events.append(event)

    def named(self, name: str) -> list[StreamEvent]:
        return [event for event in self.events if event.name == name]

    async def event(self, name: str, number: int = 1) -> StreamEvent:
        """Waits for the event of this name, or the second one, and so on."""

        async def look() -> list[StreamEvent] | None:
            found = self.named(name)
            return found if len(found) >= number else None

        return (await eventually(look))[number - 1]

    async def over(self) -> None:
        """Waits until the server has ended the stream."""

        async def look() -> bool:
            return self.is_over

        await eventually(look)


@contextlib.asynccontextmanager
async def open_stream(
    url: str, headers: Mapping[str, str], **parameters: str | int
) -> AsyncIterator[Stream]:
    """Opens a stream and reads it in the background. A refusal has no events and is over."""
    timeout = httpx.Timeout(PATIENCE_SECONDS)
    async with (
        httpx.AsyncClient(timeout=timeout, verify=False) as client,
        client.stream(
            "GET", f"{url}/api/stream", headers=dict(headers), params={**parameters}
        ) as response,
    ):
        stream = Stream(response)
        reading = asyncio.create_task(stream.read())
        try:
            yield stream
        finally:
            reading.cancel()
            await asyncio.wait([reading])
