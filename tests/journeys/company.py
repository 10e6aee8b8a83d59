"""People who use the running system as its clients do: through the gateway, with a key."""

import io
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from deploy.local.instance import Instance
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
        """The answer's body, of a call that must succeed."""
        answer = await self.ask(method, path, **request)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def post(self, content: str = "…", media_ids: list[int] | None = None) -> int:
        draft = {"tweet_data": content, "tweet_media_ids": media_ids}
        tweet_id: int = (await self.done("POST", "/api/tweets", json=draft))["tweet_id"]
        return tweet_id

    async def upload(self, picture: bytes | None = None, **fields: str) -> int:
        files = {"file": ("picture.png", picture or png(), "image/png")}
        answer = await self.done("POST", "/api/medias", files=files, data=fields)
        media_id: int = answer["media_id"]
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
        made = await self.administrator.done("POST", "/api/users", json={"name": name})
        return Person(made["user_id"], name, made["api_key"], self.http)


@asynccontextmanager
async def company_at(stack: Instance) -> AsyncIterator[Company]:
    async with httpx.AsyncClient(
        base_url=stack.gateway_url,
        timeout=PATIENCE_SECONDS,
        limits=httpx.Limits(max_connections=50),
        # Otherwise each client reads all certificates that the machine trusts: 30 ms for each test.
        verify=False,
    ) as http:
        yield Company(stack, http)


def png(width: int = 40, height: int = 30) -> bytes:
    """A small picture that nobody else has."""
    out = io.BytesIO()
    Image.frombytes("RGB", (width, height), secrets.token_bytes(width * height * 3)).save(
        out, "PNG"
    )
    return out.getvalue()


async def until(person: Person, wanted: Any, query: str = "") -> list[dict[str, Any]]:
    """The person's feed, read again and again until it is as wanted."""
    shown: list[dict[str, Any]] = []

    async def is_as_wanted() -> bool:
        shown[:] = await person.feed(query)
        return bool(wanted(shown))

    try:
        await eventually(is_as_wanted)
    except AssertionError:
        raise AssertionError(f"the feed stays {shown}") from None
    return shown


async def until_gone(company: Company, path: str) -> None:
    async def is_gone() -> bool:
        return (await company.http.get(path)).status_code == 404

    await eventually(is_gone)
