"""What all scenarios share: the running system, its tables, a reader, the hello servers."""

import asyncio
import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, cycle
from typing import Any

import asyncpg
from rich.console import Console

from devstack.instance import Instance
from tools.api_client import Api, Person

from . import data, graph, stack
from .load import Request
from .raw_http import encode_request
from .resource_usage import cpu_at_rest
from .servers import Server
from .sizes import Sizes

FEED = "/api/tweets?limit=20"
AUTHORS, FOLLOWED = 1_000, 40
UNKNOWN_EVENT = {"warble-events": f"users:{data.UNKNOWN_EVENT}"}
"""Request headers that bypass the page cache: no process knows whether it has seen the event."""
_SETTLE_SECONDS = 60
_HAS_PENDING_EVENTS = """
select exists (select from tweets.outbox where published_at is null)
    or exists (select from users.outbox where published_at is null)
    or exists (
        select from tweets.outbox where id > $1 and not exists (
            select from feed.inbox where inbox.source = 'tweets' and inbox.id = outbox.id
        )
    )
"""
_CACHE_MISSES = re.compile(
    r'^warble_feed_page_cache_total{result="(?:assembled|miss)"} (\S+)$', re.MULTILINE
)
_names = count(1)


@dataclass
class Fixture:
    system: Instance
    hello: Sequence[Server]
    owner: asyncpg.Connection
    """A connection of the database's owner, who can reach every schema."""
    api: Api
    sizes: Sizes
    console: Console
    _readers: list[Person] = field(default_factory=list)
    rest: dict[str, float] = field(default_factory=dict)
    """CPU seconds per second that each process uses without any requests."""
    _last_settled_event: int = 0
    _members: list[data.Member] = field(default_factory=list)
    _pictures: int = 0

    async def prepare(self) -> None:
        await data.prepare(self.owner)
        self._readers = [await self.person()]
        self.rest = await cpu_at_rest(stack.pids(self.system), self.sizes.rest_seconds)

    @property
    def reader(self) -> Person:
        """The person who sends the requests of most scenarios."""
        return self._readers[0]

    @property
    def urls(self) -> list[str]:
        return [self.system.gateway_url]

    @cached_property
    def backend(self) -> int:
        """The pid of the PostgreSQL backend of `owner`."""
        return int(self.owner.get_server_pid())

    def say(self, text: str) -> None:
        self.console.print(f"  {text}")

    async def person(self) -> Person:
        """Registers a new person."""
        return await self.api.hire(f"Person {next(_names)}")

    def get(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        key: str = "",
        kind: str = "",
        status: int = 200,
    ) -> Request:
        """A GET; without a key it is sent by `reader`."""
        raw = encode_request(
            self.urls[0],
            path,
            headers={"api-key": key or self.reader.key, **(headers or {})},
        )
        return Request(raw, status, kind)

    def write(
        self, method: str, path: str, key: str, body: Any = None, kind: str = "", status: int = 200
    ) -> Request:
        sent = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"api-key": key, "content-type": "application/json"}
        raw = encode_request(self.urls[0], path, method, sent, headers)
        return Request(raw, status, kind)

    async def settled(self) -> None:
        """Returns when the feed has applied every event. Raises TimeoutError."""
        async with asyncio.timeout(_SETTLE_SECONDS):
            # There is no notification to wait for.
            while await self.owner.fetchval(_HAS_PENDING_EVENTS, self._last_settled_event):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        self._last_settled_event = await self.owner.fetchval(
            "select coalesce(max(id), 0) from tweets.outbox"
        )

    async def page_cache_misses(self) -> float:
        """How many first pages the feed had to assemble or to read so far."""
        count = 0.0
        for url in self.system.api_urls("feed"):
            response = await self.api.http.get(f"{url}/metrics")
            count += sum(map(float, _CACHE_MISSES.findall(response.text)))
        return count

    async def ordinary(self, readers: int = 1) -> "Changes":
        """Prepares the feed on which most figures are measured.

        It has this number of readers, no two of whom follow the same person; the first is `reader`.
        """
        await data.fill(self.owner, self.sizes.tweets, AUTHORS)
        while len(self._readers) < readers:
            self._readers.append(await self.person())
        return Changes(
            self,
            {
                reader: await data.follow(
                    self.owner, reader.id, AUTHORS, FOLLOWED, skipped=place * FOLLOWED
                )
                for place, reader in enumerate(self._readers[:readers])
            },
        )

    @cached_property
    def company(self) -> graph.Company:
        return graph.company()

    async def members(self) -> list[data.Member]:
        """The graph's people, with follows and tweets; created at the first call."""
        if not self._members:
            self.say(f"loading {self.company.name}: {self.company.people} people")
            self._members = await data.create_members(self.owner, self.company)
        return self._members

    async def pictures(self, each: int) -> dict[int, list[int]]:
        """Creates pictures, `each` per member. Returns ids by owner."""
        members = await self.members()
        created = await data.create_pictures(self.owner, members, each, self._pictures)
        self._pictures += each * len(members)
        return created


NOTIFICATION_SECONDS = 0.003
"""The time until the feed is notified of a change. `figure` counts whether that was enough."""


class Changes:
    """Invalidates a reader's page before each request, by a like for someone whom they follow."""

    def __init__(self, fixture: Fixture, followed: Mapping[Person, Sequence[int]]) -> None:
        self._owner = fixture.owner
        self._lock = asyncio.Lock()
        self._turns = cycle(
            [
                (fixture.get(FEED, key=reader.key), cycle(authors))
                for reader, authors in followed.items()
            ]
        )
        self._ready: deque[Request] = deque()

    async def __call__(self) -> None:
        request_, authors = next(self._turns)
        async with self._lock:
            await data.like(self._owner, next(authors))
        await asyncio.sleep(NOTIFICATION_SECONDS)
        self._ready.append(request_)

    def next_request(self) -> Request:
        """The request of the next reader whose page has to be rebuilt."""
        return self._ready.popleft()
