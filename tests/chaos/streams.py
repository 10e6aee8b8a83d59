"""Two hundred open streams, whose clients resume after each interruption, and what they must get.

A client behaves like a browser: it remembers the last `id`, comes back with it as `Last-Event-ID`
after a random pause, and takes a stream that has been silent for too long for dead. The people of
the load have one stream each. The *audience* writes nothing and only listens: some follow
everybody, the others are interested in the tweets of everyone.

The truth is the log of notices, of which nothing is deleted during a run, and the checker compares
the same facts with the history of the load. At the end a client must have exactly the notices that
concern it, each once and in order. Notices of erased people are left out: the log forgets them.
"""

import asyncio
import json
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httptools

from devstack.instance import Instance
from operate import postgres
from tests.journeys.company import Company, Person, company_at
from tests.waiting import eventually
from tools.api_client import ATTEMPTS, api_of

from .checker import CALM_SECONDS
from .history import Author, History

PATH = "/api/stream"
FOLLOWING, LISTENING = 8, 16
"""People of the audience who follow everybody, and who listen to everyone."""
STREAMS_EACH = 8
"""Fewer than a person may have, because a process may not know yet that an old one is broken."""
SILENCE_SECONDS = 40
"""A stream has a sign of life every 15 s."""
_CONNECT_SECONDS = 30
_PAUSES_SECONDS = (0.2, 2.0)
_LOOK_SECONDS = 0.5

# $1 the position after which to read
_LOG = """
select position, kind, tweet_id, author_id, recipient_id, group_kind, group_subject_id, group_day
from notifications.notice
where position > $1 and kind in ('tweet', 'deleted', 'notification')
order by position
"""
_LAST = "select position from notifications.position"
_FOLLOWS = """
select count(*) from notifications.follow
where active and follower_id = any ($1) and followed_id = any ($2)
"""


@dataclass(frozen=True)
class Event:
    id: int
    name: str
    data: dict[str, Any]


class Client:
    """One stream, as a browser has it."""

    def __init__(self, url: str, author: Author, *, everyone: bool = False) -> None:
        self.author = author
        self.everyone = everyone
        self.events: list[Event] = []
        self.since: int | None = None
        """The position at which the first connection began."""
        self.last_id: int | None = None
        self.opened = 0
        self.is_over = False
        """The credential has ended, so the client does not come back."""
        self.refused: Counter[int] = Counter()
        """Statuses other than 200, 502, 503 and 504."""
        self._address = urlsplit(url)
        self._key = author.key
        self._retry_seconds = 0.0

    async def run(self) -> None:
        """Reads until it is cancelled or the credential ends; comes back after each failure."""
        while not self.is_over:
            with suppress(OSError, TimeoutError, httptools.HttpParserError):
                await self._connect()
            pause = min(self._retry_seconds or random.uniform(*_PAUSES_SECONDS), 10)
            self._retry_seconds = 0
            await asyncio.sleep(pause)

    async def _connect(self) -> None:
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                self._address.hostname, self._address.port
            )
        try:
            writer.write(self._request())
            reading = _Reading(self)
            while not self.is_over and not reading.is_complete:
                async with asyncio.timeout(SILENCE_SECONDS):
                    data = await reader.read(65536)
                if not data:
                    return
                reading.parser.feed_data(data)
        finally:
            writer.close()

    def _request(self) -> bytes:
        lines = [
            f"GET {PATH}{'?everyone=1' if self.everyone else ''} HTTP/1.1",
            f"host: {self._address.netloc}",
            f"api-key: {self._key}",
        ]
        if self.last_id is not None:
            lines.append(f"last-event-id: {self.last_id}")
        return "\r\n".join([*lines, "", ""]).encode()

    @property
    def is_to_end(self) -> bool:
        """Whether the key of the stream has been revoked, or will be in a moment. Those who come
        back get another one."""
        return self.author.erased or self.author.was_away

    def on_head(self, status: int) -> None:
        if status == 200:
            self.opened += 1
        elif status == 401 and self.is_to_end:
            self.is_over = True
        elif status not in (502, 503, 504):
            self.refused[status] += 1

    def on_fields(self, fields: Mapping[str, str]) -> None:
        if "retry" in fields:
            self._retry_seconds = int(fields["retry"]) / 1000
        if "id" in fields:
            self.last_id = int(fields["id"])
            if self.since is None:
                self.since = self.last_id
        if "data" in fields and self.last_id is not None:
            name = fields.get("event", "message")
            self.events.append(Event(self.last_id, name, json.loads(fields["data"])))
        if fields.get("event") == "ended":
            self.is_over = True

    def badge(self) -> int:
        """The number that the page shows."""
        numbers = [
            event.data["count" if event.name == "unread" else "unread"]
            for event in self.named("unread", "notification")
        ]
        return int(numbers[-1]) if numbers else 0

    def named(self, *names: str) -> list[Event]:
        return [event for event in self.events if event.name in names]


class _Reading:
    """Parses one response: HTTP by httptools, then the lines of the events."""

    def __init__(self, client: Client) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.is_complete = False
        self._client = client
        self._rest = b""

    def on_headers_complete(self) -> None:
        self._client.on_head(self.parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        if self.parser.get_status_code() != 200:
            return
        *blocks, self._rest = (self._rest + body).split(b"\n\n")
        for block in blocks:
            lines = (line.partition(": ") for line in block.decode().split("\n"))
            self._client.on_fields({name: value for name, _, value in lines if name})

    def on_message_complete(self) -> None:
        self.is_complete = True


@dataclass
class Streams:
    """All clients of one fault."""

    stack: Instance
    history: History
    clients: list[Client]
    followers: set[int] = field(default_factory=set)
    """The ids of those who follow all people of the load."""

    async def findings(self, patience: float = CALM_SECONDS) -> list[str]:
        """Waits until all clients have read the log to its end, then compares. Call it after the
        system has settled."""
        deadline = time.monotonic() + patience
        while found := await self._find():
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        opened = sum(client.opened for client in self.clients)
        received = sum(len(client.events) for client in self.clients)
        self.history.notes.append(
            f"{len(self.clients)} streams were opened {opened} times and got {received} events"
        )
        return found

    async def _find(self) -> list[str]:
        async with postgres.connect(self.stack.database()) as connection:
            last = await connection.fetchval(_LAST)
            since = min(client.since or 0 for client in self.clients)
            log = [dict(row) for row in await connection.fetch(_LOG, since)]
        found = [finding for client in self.clients for finding in self._find_of(client, last, log)]
        return found or await self._find_badges()

    async def _find_badges(self) -> list[str]:
        """The last number that a stream was told must be the true one."""
        found = []
        async with api_of(self.stack, ATTEMPTS) as api:
            for client in self.clients:
                author = client.author
                if author not in self.history.people or client.is_to_end:
                    continue
                person = api.person(author.id, author.name, author.key)
                badge = (await person.done("GET", "/api/notifications/unread"))["count"]
                if (shown := client.badge()) != badge:
                    found.append(f"wrong: a stream of {author.name} shows {shown}, not {badge}")
        return found

    def _find_of(self, client: Client, last: int, log: list[dict[str, Any]]) -> list[str]:
        who = f"a stream of {client.author.name}"
        if client.is_to_end:
            return [] if client.is_over else [f"appeared: {who}, whose key ended, is still open"]
        if client.is_over:
            return [f"wrong: {who} was ended"]
        if client.since is None or client.last_id is None:
            return [f"lost: {who} was never opened"]
        if client.last_id < last:
            return [f"lost: {who} is at {client.last_id} of {last}"]
        found = [f"wrong: {who} was refused with {status}" for status in client.refused]
        if client.named("resync"):
            found.append(f"wrong: {who} had to resync")
        ids = [event.id for event in client.named("tweet", "deleted", "notification")]
        if ids != sorted(set(ids)):
            found.append(f"doubled: {who} got notices again, or out of order")
        log = [notice for notice in log if notice["position"] > client.since]
        return found + self._find_tweets(client, who, log) + _find_notifications(client, who, log)

    def _find_tweets(self, client: Client, who: str, log: list[dict[str, Any]]) -> list[str]:
        erased = {author.id for author in self.history.erased}
        if client.everyone:
            authors = None
        elif client.author.id in self.followers:
            authors = {author.id for author in self.history.people}
        else:
            # Whom a person of the load follows changes all the time.
            authors = {client.author.id}
        wanted = {
            (notice["position"], notice["kind"], notice["tweet_id"])
            for notice in log
            if notice["kind"] in ("tweet", "deleted")
            and notice["author_id"] not in erased
            and (authors is None or notice["author_id"] in authors)
        }
        got = {
            (event.id, event.name, event.data["tweet"])
            for event in client.named("tweet", "deleted")
            if event.data["author"] not in erased
            and (authors is None or event.data["author"] in authors)
        }
        return _differences(who, wanted, got)


def _find_notifications(client: Client, who: str, log: list[dict[str, Any]]) -> list[str]:
    """A stream is told of a notification as far as it is still there when the notice is sent, so
    it may get fewer than the log has. The checker compares the badge with the list."""
    own = {
        (notice["position"], _group(notice))
        for notice in log
        if notice["kind"] == "notification" and notice["recipient_id"] == client.author.id
    }
    got = {(event.id, event.data["group"]) for event in client.named("notification")}
    return [f"appeared: {who} got notification {one}" for one in sorted(got - own)[:3]]


def _group(notice: Mapping[str, Any]) -> str:
    return f"{notice['group_kind']}:{notice['group_subject_id']}:{notice['group_day']}"


def _differences(who: str, wanted: set[Any], got: set[Any]) -> list[str]:
    return [
        *(f"lost: {who} did not get {one}" for one in sorted(wanted - got)[:3]),
        *(f"appeared: {who} got {one}" for one in sorted(got - wanted)[:3]),
    ]


@asynccontextmanager
async def streaming(
    stack: Instance,
    history: History,
    *,
    following: int = FOLLOWING,
    listening: int = LISTENING,
    each: int = STREAMS_EACH,
) -> AsyncIterator[Streams]:
    """Opens the streams of the load's people and of an audience, and keeps them open."""
    async with company_at(stack) as company:
        followers = [await _hired(company) for _ in range(following)]
        listeners = [await _hired(company) for _ in range(listening)]
        for person in followers:
            for author in history.people:
                await person.done("POST", f"/api/users/{author.id}/follow")
    url = stack.gateway_url
    clients = [Client(url, author) for author in history.people]
    clients += [Client(url, _author(person)) for person in followers for _ in range(each)]
    clients += [
        Client(url, _author(person), everyone=True) for person in listeners for _ in range(each)
    ]
    streams = Streams(stack, history, clients, {person.id for person in followers})
    await _until_known(stack, followers, history.people)
    running = [asyncio.create_task(client.run()) for client in clients]
    try:
        await _until_open(clients)
        yield streams
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)


async def _hired(company: Company) -> Person:
    return await company.hire(f"{secrets.token_hex(4)} listens")


def _author(person: Person) -> Author:
    return Author(person.id, person.name, person.key)


async def _until_known(
    stack: Instance, followers: Iterable[Person], people: Iterable[Author]
) -> None:
    """Returns when notifications knows of all follows."""
    ids = [person.id for person in followers], [author.id for author in people]

    async def known() -> bool:
        async with postgres.connect(stack.database()) as connection:
            count: int = await connection.fetchval(_FOLLOWS, *ids)
            return count == len(ids[0]) * len(ids[1])

    await eventually(known)


async def _until_open(clients: Iterable[Client]) -> None:
    async def opened() -> bool:
        return all(client.since is not None for client in clients)

    await eventually(opened)
