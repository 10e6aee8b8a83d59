"""A client of the public API that retries for minutes, so that imports survive a restart."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from aiohttp.client_exceptions import ClientConnectorError

from devstack.instance import Instance

MAX_ATTEMPTS = 10
"""How often one call is sent at most."""
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_MAX_WAIT_SECONDS = 30.0
_MAX_SEARCH_RESULTS = 300
"""How many results of a search by name are read to find an exact match."""


class GatewayUnreachable(Exception):
    """The gateway does not answer. The message says where, and what to do."""


class ApiError(Exception):
    """The API answered with an error: its message, status and stable error name."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(f"{message} ({status} {error_type})")
        self.status = status
        self.error_type = error_type


class ResponseLost(Exception):
    """The response of a non-idempotent call was lost: it may or may not have taken effect."""


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    key: str


class Client:
    """Use as `async with Client() as client`. At most `concurrency` requests run at once."""

    def __init__(self, instance: Instance | None = None, *, concurrency: int = 24) -> None:
        self.instance = instance or Instance.from_environment()
        self.admin_key = self.instance.admin_key
        self._semaphore = asyncio.Semaphore(concurrency)
        self._session: aiohttp.ClientSession | None = None
        self._limit = concurrency

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self.instance.gateway_url,
            connector=aiohttp.TCPConnector(limit=self._limit, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=120, sock_connect=10),
        )
        try:
            async with self._session.get("/health/live"):
                pass
        except (aiohttp.ClientError, TimeoutError) as error:
            await self._session.close()
            address = self.instance.gateway_url
            raise GatewayUnreachable(
                f"The gateway at {address} does not answer: run `make up` first."
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    # People.

    async def register(self, name: str) -> Account:
        """Adds a person. If the response is lost, it searches for the person before a retry."""
        try:
            response = await self._send("POST", "/api/users", self.admin_key, {"name": name})
        except ResponseLost:
            found = await self.find_user(name)
            return await (self.register(name) if found is None else self.rotate_key(found))
        return Account(response["user_id"], response["api_key"])

    async def rotate_key(self, user_id: int) -> Account:
        """Replaces the person's keys by a new one."""
        path = f"/api/users/{user_id}/key"
        response = await self._send("POST", path, self.admin_key, idempotent=True)
        return Account(response["user_id"], response["api_key"])

    async def find_user(self, name: str) -> int | None:
        """The id of the newest person with exactly this name."""
        pages = self._pages(
            "/api/users", "users", self.admin_key, {"query": name}, _MAX_SEARCH_RESULTS
        )
        return max([user["id"] async for user in pages if user["name"] == name], default=None)

    async def follow(self, key: str, user_id: int) -> None:
        await self._send("POST", f"/api/users/{user_id}/follow", key, idempotent=True)

    async def whoami(self, key: str) -> dict[str, Any]:
        """The profile of the key's owner."""
        profile: dict[str, Any] = (await self.get("/api/users/me", key))["user"]
        return profile

    # Tweets.

    async def upload(
        self, key: str, picture: bytes, name: str = "picture.png", alt: str = ""
    ) -> int:
        """Returns the picture's id. It is retried: a repetition only leaves an unused picture."""
        file = (name, picture, alt)
        medium = await self._send("POST", "/api/medias", key, file=file, idempotent=True)
        return int(medium["media_id"])

    async def post(
        self, key: str, text: str, media: Sequence[int] = (), draft_id: str | None = None
    ) -> int:
        """Returns the tweet's id. A second call with this `draft_id` returns the first tweet."""
        draft = {
            "tweet_data": text,
            "tweet_media_ids": list(media),
            "draft_id": draft_id or secrets.token_hex(16),
        }
        return int(
            (await self._send("POST", "/api/tweets", key, draft, idempotent=True))["tweet_id"]
        )

    async def like(self, key: str, tweet_id: int) -> None:
        await self._send("POST", f"/api/tweets/{tweet_id}/likes", key, idempotent=True)

    def tweets_of(self, key: str, user_id: int) -> AsyncIterator[dict[str, Any]]:
        """All tweets of a person, the newest first."""
        return self._pages(f"/api/users/{user_id}/tweets", "tweets", key, {})

    async def feed(self, key: str, **query: str | int) -> dict[str, Any]:
        """One page of the reader's feed, with `tweets` and `next_cursor`."""
        return await self.get("/api/tweets", key, query)

    def feed_pages(self, key: str, **query: str | int) -> AsyncIterator[dict[str, Any]]:
        """All tweets of the reader's feed, read page by page."""
        return self._pages("/api/tweets", "tweets", key, query)

    # Transport.

    async def get(
        self, path: str, key: str, query: dict[str, str | int] | None = None
    ) -> dict[str, Any]:
        return await self._send("GET", path, key, query=query, idempotent=True)

    async def _pages(
        self, path: str, field: str, key: str, query: dict[str, str | int], limit: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        parameters: dict[str, str | int] = {"limit": 100, **query}
        count = 0
        while True:
            page = await self.get(path, key, parameters)
            for entry in page[field]:
                yield entry
            count += len(page[field])
            if page["next_cursor"] is None or (limit is not None and count >= limit):
                return
            parameters["cursor"] = page["next_cursor"]

    async def _send(
        self,
        method: str,
        path: str,
        key: str,
        body: dict[str, Any] | None = None,
        *,
        query: dict[str, str | int] | None = None,
        file: tuple[str, bytes, str] | None = None,
        idempotent: bool = False,
    ) -> dict[str, Any]:
        """Returns the response's body.

        It retries with exponential backoff while the gateway is unreachable, overloaded or limits
        the rate. Raises ApiError, GatewayUnreachable after the last attempt, and ResponseLost if
        the call is not `idempotent` and may have taken effect.
        """
        assert self._session is not None, "Client is used with `async with`"
        failure: Exception = GatewayUnreachable()
        for attempt in range(MAX_ATTEMPTS):
            wait = min(_MAX_WAIT_SECONDS, 0.25 * 2**attempt)
            try:
                async with (
                    self._semaphore,
                    self._session.request(
                        method,
                        path,
                        params=query,
                        headers={"api-key": key},
                        json=body,
                        data=None if file is None else _form(*file),
                    ) as response,
                ):
                    if response.status < 400:
                        content: dict[str, Any] = await response.json()
                        return content
                    failure = await _api_error(response)
                    if response.status not in _RETRIED_STATUSES:
                        raise failure
                    # A 429 comes from the gateway, so the call has had no effect.
                    may_have_happened = response.status != 429
                    wait = max(wait, _retry_after(response))
            except (aiohttp.ClientError, TimeoutError) as error:
                may_have_happened = not isinstance(error, ClientConnectorError)
                address = self.instance.gateway_url
                failure = GatewayUnreachable(
                    f"The gateway at {address} stopped answering. See `make status`."
                )
                failure.__cause__ = error
            # Jitter, so that calls that failed together are not repeated together.
            jitter = random.uniform(1, 1.5)  # noqa: S311 (nothing secret)
            await asyncio.sleep(min(wait, _MAX_WAIT_SECONDS) * jitter)
            if may_have_happened and not idempotent:
                raise ResponseLost(path) from failure
        raise failure


def _form(name: str, picture: bytes, alt: str) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("alt", alt)
    form.add_field("file", picture, filename=name, content_type="application/octet-stream")
    return form


async def _api_error(response: aiohttp.ClientResponse) -> ApiError:
    try:
        body = await response.json(content_type=None)
        return ApiError(response.status, body["error_type"], body["error_message"])
    except (ValueError, KeyError, TypeError):
        return ApiError(response.status, "Unknown", f"{response.reason}: not a response of the API")


def _retry_after(response: aiohttp.ClientResponse) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else 0.0
