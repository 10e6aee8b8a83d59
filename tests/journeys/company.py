"""People who use the running system as clients do: through the gateway, with an API key."""

import io
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from devstack.instance import Instance
from tests.waiting import PATIENCE_SECONDS, eventually


@dataclass(frozen=True)
class Person:
    id: int
    name: str
    key: str
    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"api-key": self.key, **request.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **request)

    async def done(self, method: str, path: str, **request: Any) -> Any:
        """Makes a call that must succeed and returns the response's JSON."""
        response = await self.ask(method, path, **request)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

    async def post(self, content: str = "…", media_ids: list[int] | None = None) -> int:
        draft = {"tweet_data": content, "tweet_media_ids": media_ids}
        tweet_id: int = (await self.done("POST", "/api/tweets", json=draft))["tweet_id"]
        return tweet_id

    async def upload(self, picture: bytes | None = None, **fields: str) -> int:
        files = {"file": ("picture.png", picture or png(), "image/png")}
        response = await self.done("POST", "/api/medias", files=files, data=fields)
        media_id: int = response["media_id"]
        return media_id

    async def follow(self, other: "Person") -> None:
        await self.done("POST", f"/api/users/{other.id}/follow")

    async def feed(self, query: str = "") -> list[dict[str, Any]]:
        tweets: list[dict[str, Any]] = (await self.done("GET", f"/api/tweets{query}"))["tweets"]
        return tweets

    async def feed_ids(self, query: str = "") -> list[int]:
        return [tweet["id"] for tweet in await self.feed(query)]


class Company:
    def __init__(self, stack: Instance, http: httpx.AsyncClient) -> None:
        self.stack = stack
        self.http = http
        self.administrator = Person(0, "Administrator", stack.admin_key, http)

    async def hire(self, name: str) -> Person:
        created = await self.administrator.done("POST", "/api/users", json={"name": name})
        return Person(created["user_id"], name, created["api_key"], self.http)


@asynccontextmanager
async def company_at(stack: Instance) -> AsyncIterator[Company]:
    async with httpx.AsyncClient(
        base_url=stack.gateway_url,
        timeout=PATIENCE_SECONDS,
        limits=httpx.Limits(max_connections=50),
        # The tests use plain HTTP. Loading the trusted certificates would take 30 ms per client.
        verify=False,
    ) as http:
        yield Company(stack, http)


def png(width: int = 40, height: int = 30) -> bytes:
    """A small picture with random content, so that no other picture equals it."""
    out = io.BytesIO()
    Image.frombytes("RGB", (width, height), secrets.token_bytes(width * height * 3)).save(
        out, "PNG"
    )
    return out.getvalue()


async def until(person: Person, wanted: Any, query: str = "") -> list[dict[str, Any]]:
    """Polls the person's feed until `wanted(feed)` is true; returns it. Raises AssertionError."""
    shown: list[dict[str, Any]] = []

    async def is_as_wanted() -> bool:
        shown[:] = await person.feed(query)
        return bool(wanted(shown))

    try:
        await eventually(is_as_wanted)
    except AssertionError:
        raise AssertionError(f"the feed is still {shown}") from None
    return shown


async def until_gone(company: Company, path: str) -> None:
    async def is_gone() -> bool:
        return (await company.http.get(path)).status_code == 404

    await eventually(is_gone)
