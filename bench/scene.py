"""What every part of the run has at hand: the system, its tables, a reader, the yardstick."""

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
import httpx
from rich.console import Console

from deploy.local.instance import Instance

from . import data, graph, stack
from .accounting import at_rest
from .load import Ask
from .servers import Server
from .sizes import Sizes
from .wire import request

FEED = "/api/tweets?limit=20"
AUTHORS, FOLLOWED = 1_000, 40
UNHEARD = {"warble-events": f"users:{data.UNHEARD}"}
"""Nobody remembers to have heard of it: the database answers."""
_SETTLE_SECONDS = 60
_UNSETTLED = """
select exists (select from tweets.outbox where published_at is null)
    or exists (select from users.outbox where published_at is null)
    or exists (
        select from tweets.outbox where id > $1 and not exists (
            select from feed.inbox where inbox.source = 'tweets' and inbox.id = outbox.id
        )
    )
"""
_NOT_AT_HAND = re.compile(
    r'^warble_feed_page_reads_total{outcome="(?:made|read)"} (\S+)$', re.MULTILINE
)
_names = count(1)


@dataclass(frozen=True)
class Person:
    id: int
    key: str


@dataclass
class Scene:
    system: Instance
    hello: Sequence[Server]
    owner: asyncpg.Connection
    """Of the database: every schema is within reach."""
    http: httpx.AsyncClient
    sizes: Sizes
    console: Console
    _readers: list[Person] = field(default_factory=list)
    rest: dict[str, float] = field(default_factory=dict)
    """What each process uses when nobody asks for anything, in CPU seconds a second."""
    _settled: int = 0
    _members: list[data.Member] = field(default_factory=list)
    _pictures: int = 0

    async def begin(self) -> None:
        await data.begin(self.owner)
        self._readers = [await self.person()]
        self.rest = await at_rest(stack.pids(self.system), self.sizes.rest_seconds)

    @property
    def reader(self) -> Person:
        """Who asks, where it matters to nobody who."""
        return self._readers[0]

    @property
    def urls(self) -> list[str]:
        return [self.system.gateway_url]

    @cached_property
    def backend(self) -> int:
        """The process of the database that serves the bench itself."""
        return int(self.owner.get_server_pid())

    def say(self, text: str) -> None:
        self.console.print(f"  {text}")

    async def person(self) -> Person:
        """A new one."""
        made = await self.http.post(
            "/api/users",
            json={"name": f"Person {next(_names)}"},
            headers={"api-key": self.system.admin_key},
        )
        told = made.raise_for_status().json()
        return Person(told["user_id"], told["api_key"])

    async def post(self, person: Person, text: str = "…") -> int:
        made = await self.http.post(
            "/api/tweets", json={"tweet_data": text}, headers={"api-key": person.key}
        )
        return int(made.raise_for_status().json()["tweet_id"])

    def get(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        key: str = "",
        kind: str = "",
        status: int = 200,
    ) -> Ask:
        """A read, the reader's where no key is given."""
        raw = request(
            self.urls[0],
            path,
            headers={"api-key": key or self.reader.key, **(headers or {})},
        )
        return Ask(raw, status, kind)

    def write(
        self, method: str, path: str, key: str, body: Any = None, kind: str = "", status: int = 200
    ) -> Ask:
        sent = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"api-key": key, "content-type": "application/json"}
        raw = request(self.urls[0], path, method, sent, headers)
        return Ask(raw, status, kind)

    async def settled(self) -> None:
        """Returns when every event has had its effect in the feed. Raises TimeoutError."""
        async with asyncio.timeout(_SETTLE_SECONDS):
            # The database tells nobody of it.
            while await self.owner.fetchval(_UNSETTLED, self._settled):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        self._settled = await self.owner.fetchval("select coalesce(max(id), 0) from tweets.outbox")

    async def pages_not_at_hand(self) -> float:
        """How many first pages the feed has had to make or to read, so far."""
        count = 0.0
        for url in self.system.api_urls("feed"):
            told = await self.http.get(f"{url}/metrics")
            count += sum(map(float, _NOT_AT_HAND.findall(told.text)))
        return count

    async def ordinary(self, readers: int = 1) -> "Changes":
        """The feed as most figures are measured on, for so many whose followed are nobody else's.

        The first of them is the reader of this scene.
        """
        if (
            await self.owner.fetchval(
                "select count(*) from feed.tweet where id between $1 and $2", data.FIRST, data.LAST
            )
            != self.sizes.tweets
        ):
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
        """The graph's people, with what they follow and have written."""
        if not self._members:
            self.say(f"loading {self.company.name}: {self.company.people} people")
            self._members = await data.settle(self.owner, self.company)
        return self._members

    async def pictures(self, each: int) -> dict[int, list[int]]:
        """So many new pictures of each member, by owner."""
        members = await self.members()
        made = await data.upload(self.owner, members, each, self._pictures)
        self._pictures += each * len(members)
        return made


HEARD_SECONDS = 0.003
"""Until the feed has heard of a change; whether that was enough is counted."""


class Changes:
    """Before a reader asks, somebody whom they follow is liked; the readers take turns."""

    def __init__(self, scene: Scene, followed: Mapping[Person, Sequence[int]]) -> None:
        self._owner = scene.owner
        self._one_at_a_time = asyncio.Lock()
        self._turns = cycle(
            [(scene.get(FEED, key=reader.key), cycle(whom)) for reader, whom in followed.items()]
        )
        self._ready: deque[Ask] = deque()

    async def __call__(self) -> None:
        ask, authors = next(self._turns)
        async with self._one_at_a_time:
            await data.like(self._owner, next(authors))
        await asyncio.sleep(HEARD_SECONDS)
        self._ready.append(ask)

    def ask(self) -> Ask:
        """By the next whose page has to be made anew."""
        return self._ready.popleft()
