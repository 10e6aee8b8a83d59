"""A client of the public API, for tools, measurements and tests.

A `Person` calls it with a key. Tools make several attempts, so that they survive a restart of the
gateway; tests make one, so that they see every failure.
"""

import asyncio
import io
import random
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from devstack.instance import Instance

ATTEMPTS = 10
"""How often a tool sends one call at most."""
TIMEOUT_SECONDS = 120
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_MAX_WAIT_SECONDS = 30.0
_MAX_SEARCH_RESULTS = 300
"""How many results of a search by name are read to find an exact match."""


class GatewayUnreachable(Exception):
    """The gateway does not answer. The message says where, and what to do."""


class ResponseLost(Exception):
    """The response of a call that must not be repeated was lost: it may have taken effect."""


class ApiError(Exception):
    """The API answered with an error: its message, status and stable error name."""

    def __init__(self, response: httpx.Response) -> None:
        self.status, self.error_type = response.status_code, "Unknown"
        message = f"{response.reason_phrase}: not a response of the API"
        try:
            self.error_type = response.json()["error_type"]
            message = response.json()["error_message"]
        except (ValueError, KeyError, TypeError):
            pass
        request = response.request
        super().__init__(
            f"{message} ({self.status} {self.error_type}, {request.method} {request.url.path})"
        )


@dataclass(frozen=True)
class Person:
    """Somebody who calls the API with a key."""

    id: int
    name: str
    key: str
    http: httpx.AsyncClient
    attempts: int = 1

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Makes one attempt and returns the response, whatever its status."""
        headers = {"api-key": self.key, **request.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **request)

    async def done(self, method: str, path: str, *, repeatable: bool = True, **request: Any) -> Any:
        """Makes a call that must succeed and returns the response's JSON.

        With several attempts it backs off while the gateway is unreachable, overloaded or limits
        the rate. Raises ApiError; GatewayUnreachable, or with one attempt httpx's TransportError;
        and ResponseLost if the call is not `repeatable` and may have taken effect.
        """
        failure: Exception = GatewayUnreachable()
        for attempt in range(self.attempts):
            wait = 0.25 * 2**attempt
            try:
                response = await self.ask(method, path, **request)
            except httpx.TransportError as error:
                if self.attempts == 1:
                    raise
                may_have_happened = not isinstance(error, httpx.ConnectError)
                failure = GatewayUnreachable(
                    f"The gateway at {self.http.base_url} stopped answering. See `make status`."
                )
                failure.__cause__ = error
            else:
                if response.is_success:
                    return response.json()
                failure = ApiError(response)
                if response.status_code not in _RETRIED_STATUSES or self.attempts == 1:
                    raise failure
                # A 429 comes from the gateway, so the call has had no effect.
                may_have_happened = response.status_code != 429
                wait = max(wait, _retry_after(response))
            # Jitter, so that calls that failed together are not repeated together.
            jitter = random.uniform(1, 1.5)  # noqa: S311 (nothing secret)
            await asyncio.sleep(min(wait, _MAX_WAIT_SECONDS) * jitter)
            if may_have_happened and not repeatable:
                raise ResponseLost(path) from failure
        raise failure

    async def post(
        self,
        content: str = "…",
        media_ids: Sequence[int] | None = None,
        draft_id: str | None = None,
        reply_to: int | None = None,
    ) -> int:
        """Returns the tweet's id. A second call with this `draft_id` returns the first tweet."""
        if self.attempts > 1:
            draft_id = draft_id or secrets.token_hex(16)
        named: dict[str, str | int] = {"draft_id": draft_id} if draft_id else {}
        if reply_to is not None:
            named["reply_to"] = reply_to
        draft = {"tweet_data": content, "tweet_media_ids": media_ids, **named}
        return int((await self.done("POST", "/api/tweets", json=draft))["tweet_id"])

    async def upload(
        self, picture: bytes | None = None, name: str = "picture.png", **fields: str
    ) -> int:
        """Returns the picture's id. A repetition only leaves an unused picture."""
        files = {"file": (name, picture or png(), "application/octet-stream")}
        response = await self.done("POST", "/api/medias", files=files, data=fields)
        return int(response["media_id"])

    async def show_picture(self, picture: bytes, **square: int) -> dict[str, str]:
        """Makes it the picture of this person; returns the paths of its sizes."""
        files = {"file": ("picture", picture, "application/octet-stream")}
        path = f"/api/users/{self.id}/picture"
        response = await self.done("PUT", path, files=files, data=square)
        paths: dict[str, str] = response["picture"]
        return paths

    async def follow(self, other: "Person") -> None:
        await self.done("POST", f"/api/users/{other.id}/follow")

    async def like(self, tweet_id: int) -> None:
        await self.done("POST", f"/api/tweets/{tweet_id}/likes")

    async def feed(self, query: str = "") -> list[dict[str, Any]]:
        """One page of the feed."""
        tweets: list[dict[str, Any]] = (await self.done("GET", f"/api/tweets{query}"))["tweets"]
        return tweets

    async def feed_ids(self, query: str = "") -> list[int]:
        return [tweet["id"] for tweet in await self.feed(query)]

    async def pages(self, path: str, field: str, **query: str | int) -> AsyncIterator[Any]:
        """All entries of a list, read page by page."""
        parameters: dict[str, str | int] = {"limit": 100, **query}
        while True:
            page = await self.done("GET", path, params=parameters)
            for entry in page[field]:
                yield entry
            if page["next_cursor"] is None:
                return
            parameters["cursor"] = page["next_cursor"]

    def tweets_of(self, user_id: int, **query: str) -> AsyncIterator[Any]:
        """All tweets of a person, the newest first."""
        return self.pages(f"/api/users/{user_id}/tweets", "tweets", **query)

    def whole_feed(self, **query: str | int) -> AsyncIterator[Any]:
        return self.pages("/api/tweets", "tweets", **query)


class Api:
    """The API of an instance, with its administrator."""

    def __init__(self, instance: Instance, http: httpx.AsyncClient, attempts: int = 1) -> None:
        self.instance = instance
        self.http = http
        self.administrator = self.person(0, "Administrator", instance.admin_key, attempts)

    def person(self, id_: int, name: str, key: str, attempts: int = 0) -> Person:
        return Person(id_, name, key, self.http, attempts or self.administrator.attempts)

    async def hire(self, name: str) -> Person:
        """Adds a person. If the response is lost, it searches for the person before a retry."""
        try:
            created = await self.administrator.done(
                "POST", "/api/users", json={"name": name}, repeatable=False
            )
        except ResponseLost:
            found = await self.find(name)
            return await (self.hire(name) if found is None else self.renew(found, name))
        return self.person(created["user_id"], name, created["api_key"])

    async def renew(self, user_id: int, name: str) -> Person:
        """Replaces the person's keys by a new one."""
        renewed = await self.administrator.done("POST", f"/api/users/{user_id}/key")
        return self.person(user_id, name, renewed["api_key"])

    async def find(self, name: str) -> int | None:
        """The id of the newest person with exactly this name."""
        ids, count = [], 0
        async for user in self.administrator.pages("/api/users", "users", query=name):
            count += 1
            if user["name"] == name:
                ids.append(user["id"])
            if count >= _MAX_SEARCH_RESULTS:
                break
        return max(ids, default=None)


@asynccontextmanager
async def api_of(instance: Instance, attempts: int = 1) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(
        base_url=instance.gateway_url,
        timeout=TIMEOUT_SECONDS,
        limits=httpx.Limits(max_connections=50),
        # The gateway's own address is plain HTTP. Loading the trusted certificates takes 30 ms.
        verify=False,  # noqa: S501 (no TLS)
    ) as http:
        if attempts > 1:
            try:
                await http.get("/health/live")
            except httpx.TransportError as error:
                address = instance.gateway_url
                raise GatewayUnreachable(
                    f"The gateway at {address} does not answer: run `make up` first."
                ) from error
        yield Api(instance, http, attempts)


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else 0.0


def png(width: int = 40, height: int = 30) -> bytes:
    """A small picture with random content, so that no other picture equals it."""
    out = io.BytesIO()
    content = secrets.token_bytes(width * height * 3)
    Image.frombytes("RGB", (width, height), content).save(out, "PNG")
    return out.getvalue()
