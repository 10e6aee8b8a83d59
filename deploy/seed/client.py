"""The public API as the seeders call it: one session, patient retries, the API's own sentences."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from aiohttp.client_exceptions import ClientConnectorError

from deploy.local.instance import Instance

PATIENCE = 10
"""How often one call is sent at most."""
_BUSY = frozenset({429, 502, 503, 504})
_LONGEST_WAIT = 30.0
_SEARCHED = 300
"""Among how many people that resemble a name the very name is looked for."""


class NotUp(Exception):
    """Nothing answers where the gateway should be."""


class Refused(Exception):
    """The API's own sentence, with its status and the stable name of the error."""

    def __init__(self, status: int, error_type: str, sentence: str) -> None:
        super().__init__(f"{sentence} ({status} {error_type})")
        self.status = status
        self.error_type = error_type


class Unanswered(Exception):
    """A call that is not idempotent may or may not have happened: its answer was lost."""


@dataclass(frozen=True, slots=True)
class Registered:
    id: int
    key: str


class Client:
    """Use as `async with Client() as client`; `flights` bounds the requests at one time."""

    def __init__(self, instance: Instance | None = None, *, flights: int = 24) -> None:
        self.instance = instance or Instance.from_environment()
        self.admin_key = self.instance.admin_key
        self._flights = asyncio.Semaphore(flights)
        self._session: aiohttp.ClientSession | None = None
        self._limit = flights

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
            raise NotUp(f"Nothing answers at {address}: run `make up` first.") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    # People.

    async def register(self, name: str) -> Registered:
        """A new person. Where the answer is lost, it looks whether the person is there."""
        try:
            answer = await self._send("POST", "/api/users", self.admin_key, {"name": name})
        except Unanswered:
            found = await self.find_user(name)
            return await (self.register(name) if found is None else self.rotate_key(found))
        return Registered(answer["user_id"], answer["api_key"])

    async def rotate_key(self, user_id: int) -> Registered:
        """A new key for the person; the old one ends."""
        path = f"/api/users/{user_id}/key"
        answer = await self._send("POST", path, self.admin_key, repeats=True)
        return Registered(answer["user_id"], answer["api_key"])

    async def find_user(self, name: str) -> int | None:
        """The id of the person with exactly this name, the newest where there are several."""
        pages = self._pages("/api/users", "users", self.admin_key, {"query": name}, _SEARCHED)
        return max([user["id"] async for user in pages if user["name"] == name], default=None)

    async def follow(self, key: str, user_id: int) -> None:
        await self._send("POST", f"/api/users/{user_id}/follow", key, repeats=True)

    async def whoami(self, key: str) -> dict[str, Any]:
        """The profile of the key's owner."""
        profile: dict[str, Any] = (await self.get("/api/users/me", key))["user"]
        return profile

    # Tweets.

    async def upload(
        self, key: str, picture: bytes, name: str = "picture.png", alt: str = ""
    ) -> int:
        """A repeated upload only leaves a picture that no tweet shows, so it is repeated."""
        file = (name, picture, alt)
        medium = await self._send("POST", "/api/medias", key, file=file, repeats=True)
        return int(medium["media_id"])

    async def post(
        self, key: str, text: str, media: Sequence[int] = (), draft_id: str | None = None
    ) -> int:
        """The new tweet's id, or that of before for a draft that the author posted before."""
        draft = {
            "tweet_data": text,
            "tweet_media_ids": list(media),
            "draft_id": draft_id or secrets.token_hex(16),
        }
        return int((await self._send("POST", "/api/tweets", key, draft, repeats=True))["tweet_id"])

    async def like(self, key: str, tweet_id: int) -> None:
        await self._send("POST", f"/api/tweets/{tweet_id}/likes", key, repeats=True)

    def tweets_of(self, key: str, user_id: int) -> AsyncIterator[dict[str, Any]]:
        """All tweets of a person, the newest first."""
        return self._pages(f"/api/users/{user_id}/tweets", "tweets", key, {})

    async def feed(self, key: str, **query: str | int) -> dict[str, Any]:
        """One answer of the reader's feed: `tweets` and `next_cursor`."""
        return await self.get("/api/tweets", key, query)

    def feed_pages(self, key: str, **query: str | int) -> AsyncIterator[dict[str, Any]]:
        """The reader's feed to its end, cursor after cursor."""
        return self._pages("/api/tweets", "tweets", key, query)

    # The wire.

    async def get(
        self, path: str, key: str, query: dict[str, str | int] | None = None
    ) -> dict[str, Any]:
        return await self._send("GET", path, key, query=query, repeats=True)

    async def _pages(
        self, path: str, what: str, key: str, query: dict[str, str | int], most: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        asked: dict[str, str | int] = {"limit": 100, **query}
        count = 0
        while True:
            page = await self.get(path, key, asked)
            for entry in page[what]:
                yield entry
            count += len(page[what])
            if page["next_cursor"] is None or (most is not None and count >= most):
                return
            asked["cursor"] = page["next_cursor"]

    async def _send(
        self,
        method: str,
        path: str,
        key: str,
        body: dict[str, Any] | None = None,
        *,
        query: dict[str, str | int] | None = None,
        file: tuple[str, bytes, str] | None = None,
        repeats: bool = False,
    ) -> dict[str, Any]:
        """The answer's body. `repeats` says that sending it twice does no harm.

        Raises Refused; NotUp when patience ends; Unanswered as its docstring says.
        """
        assert self._session is not None, "Client is used with `async with`"
        trouble: Exception = NotUp()
        for attempt in range(PATIENCE):
            wait = min(_LONGEST_WAIT, 0.25 * 2**attempt)
            try:
                async with (
                    self._flights,
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
                        answer: dict[str, Any] = await response.json()
                        return answer
                    trouble = await _refusal(response)
                    if response.status not in _BUSY:
                        raise trouble
                    # With 429 the call did not get past the gateway.
                    lost = response.status != 429
                    wait = max(wait, _retry_after(response))
            except (aiohttp.ClientError, TimeoutError) as error:
                lost = not isinstance(error, ClientConnectorError)
                address = self.instance.gateway_url
                trouble = NotUp(f"{address} stopped answering: look at `make status`.")
                trouble.__cause__ = error
            # The jitter keeps calls that failed together from coming back together.
            jitter = random.uniform(1, 1.5)  # noqa: S311 (nothing secret)
            await asyncio.sleep(min(wait, _LONGEST_WAIT) * jitter)
            if lost and not repeats:
                raise Unanswered(path) from trouble
        raise trouble


def _form(name: str, picture: bytes, alt: str) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("alt", alt)
    form.add_field("file", picture, filename=name, content_type="application/octet-stream")
    return form


async def _refusal(response: aiohttp.ClientResponse) -> Refused:
    try:
        said = await response.json(content_type=None)
        return Refused(response.status, said["error_type"], said["error_message"])
    except (ValueError, KeyError, TypeError):
        return Refused(response.status, "Unknown", f"{response.reason}: not an answer of the API")


def _retry_after(response: aiohttp.ClientResponse) -> float:
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else 0.0
