"""The live stream: how soon a notice arrives, what streams cost, and how clients come back."""

import asyncio
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bench import stack
from bench.data import Member
from bench.fixture import FEED, Fixture
from bench.load import Request, closed_loop, distribution, open_loop
from bench.raw_http import encode_request
from bench.resource_usage import CpuMeter, memory

from .mix import Mix

GATEWAY, STREAM = "gateway", "notifications-stream-1"
_OPENING_AT_ONCE = 50
_BACK_SECONDS = 60.0
"""How long clients are waited for after a restart."""
_READS_A_SECOND = 50
_SETTLE_SECONDS = 5.0
_PATIENCE_SECONDS, _MAX_PATIENCE_SECONDS = 9.0, 60.0
"""The longest time that a client waits before its first attempt, and before any later one."""
_HAS_PENDING_EVENTS = """
select exists (
    select from tweets.outbox where id > $1 and not exists (
        select from notifications.inbox where inbox.source = 'tweets' and inbox.id = outbox.id
    )
)
"""

_TWEET = re.compile(rb'id: (\d+)\nevent: tweet\ndata: {"tweet":(\d+),"author":(\d+)')
_ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)
_REFUSED = re.compile(rb"HTTP/1.1 [45]")
_RETRY = re.compile(rb"^retry: \d+$", re.MULTILINE)

Received = Callable[[int, float], None]
"""Called with the tweet of a notice, and the time."""


class Client(asyncio.Protocol):
    """A page with a stream: it comes back by itself, after the last event that it got."""

    def __init__(self, fixture: Fixture, member: Member, received: Received) -> None:
        self._fixture = fixture
        self._key, self.member_id = member.key, member.id
        self._received = received
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._last_id = b""
        self._retry_seconds = _PATIENCE_SECONDS
        self._is_closed = False
        self._task: asyncio.Task[None] | None = None
        self.is_open = False
        self.tweets: list[int] = []

    async def open(self) -> None:
        self._rest = b""
        url = self._fixture.urls[0]
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, parts.hostname or "", parts.port or 80)
        headers = {"api-key": self._key}
        if self._last_id:
            headers["last-event-id"] = self._last_id.decode()
        assert self._transport is not None
        self._transport.write(encode_request(url, "/api/stream", headers=headers))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        # Chunks end where the server has sent: their heads stand between the events.
        content, separator, self._rest = (self._rest + data).rpartition(b"\n\n")
        content += separator
        for _, tweet, _ in _TWEET.findall(content):
            self.tweets.append(int(tweet))
            self._received(int(tweet), now)
        if ids := _ID.findall(content):
            self._last_id = ids[-1]
            self._retry_seconds = _PATIENCE_SECONDS
            self.is_open = True
        if _RETRY.search(content) or (not self.is_open and _REFUSED.match(data)):
            assert self._transport is not None
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if not self._is_closed:
            self._task = asyncio.create_task(self._come_back())

    async def _come_back(self) -> None:
        wait = self._retry_seconds
        # Each further attempt waits twice as long, like that of the page.
        self._retry_seconds = min(2 * wait, _MAX_PATIENCE_SECONDS)
        await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 (not a secret)
        try:
            await self.open()
        except OSError:
            self.connection_lost(None)

    def close(self) -> None:
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.close()


class Timing:
    """From the moment a post is sent until each of the author's followers has its notice."""

    def __init__(self, fixture: Fixture, mix: Mix, members: list[Member]) -> None:
        self._mix = mix
        self._members = members
        self._chance = random.Random(9)  # noqa: S311 (not a secret)
        self._sent_at: list[float] = []
        self._authors: list[Member] = []
        self._early: dict[int, list[float]] = {}
        """Notices that came before the response to the post."""
        self._sent: dict[int, float] = {}
        self.authors: dict[int, int] = {}
        """The author of each tweet."""
        self.delays: list[float] = []
        self.count = 0

    def post(self) -> Request:
        author = self._chance.choice(self._members)
        self._authors.append(author)
        self._sent_at.append(time.perf_counter())
        return self._mix.post(author)._replace(kind=str(len(self._sent_at) - 1))

    def posted(self, request: Request, body: bytes) -> None:
        number = int(request.kind)
        tweet = int(re.findall(rb'"tweet_id":\s*(\d+)', body)[0])
        self._sent[tweet] = self._sent_at[number]
        self.authors[tweet] = self._authors[number].id
        self.delays += [at - self._sent_at[number] for at in self._early.pop(tweet, ())]

    def received(self, tweet: int, at: float) -> None:
        self.count += 1
        if tweet in self._sent:
            self.delays.append(at - self._sent[tweet])
        else:
            self._early.setdefault(tweet, []).append(at)


async def measure(fixture: Fixture) -> dict[str, Any]:
    members = await fixture.members()
    mix = Mix(fixture, members, await fixture.pictures(4), seed=6)
    timing = Timing(fixture, mix, members)
    pids = stack.pids(fixture.system)
    streams = {name: pids[name] for name in (GATEWAY, STREAM)}
    # In a company at work, the gateway knows everybody's key. The first connections of a process
    # cost more: they fill pools and caches.
    known = iter([fixture.get("/api/notifications/unread", key=one.key) for one in members])
    await closed_loop(fixture.urls, partial(next, known), len(members))
    await _open(_clients(fixture, members[:100], 100, timing.received), close=True)
    await asyncio.sleep(_SETTLE_SECONDS)
    before = await asyncio.to_thread(memory, streams)
    count = fixture.sizes.streams
    clients = _clients(fixture, members, count, timing.received)
    opening = await _open(clients)
    await asyncio.sleep(_SETTLE_SECONDS)
    after = await asyncio.to_thread(memory, streams)
    used = {name: (after[name] - before[name]) / count for name in streams}
    total = sum(used.values())
    fixture.say(f"{count} streams in {opening:.1f} s, {total / 1024:.1f} KiB each")
    found: dict[str, Any] = {
        "streams": count,
        "bytes_by_part": used,
    }
    try:
        found["delivery"] = await _deliver(fixture, timing, clients, streams)
        for program in (STREAM, GATEWAY):
            found.setdefault("restart", {})[program] = await _restart(fixture, program, clients)
    finally:
        for client in clients:
            client.close()
    found["lost"], found["twice"] = _differences(fixture, timing, clients)
    fixture.say(f"lost {found['lost']}, twice {found['twice']}")
    return found


def _clients(
    fixture: Fixture, members: list[Member], count: int, received: Received
) -> list[Client]:
    return [Client(fixture, members[place % len(members)], received) for place in range(count)]


async def _open(clients: Iterable[Client], *, close: bool = False) -> float:
    """Opens all streams. Returns how long it took."""
    started_at = time.perf_counter()
    waiting = list(clients)
    opened = list(waiting)

    async def open_some() -> None:
        while waiting:
            client = waiting.pop()
            await client.open()
            await _until(lambda: client.is_open)  # noqa: B023

    await asyncio.gather(*(open_some() for _ in range(_OPENING_AT_ONCE)))
    if close:
        for client in opened:
            client.close()
    return time.perf_counter() - started_at


async def _until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(_BACK_SECONDS):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def _deliver(
    fixture: Fixture,
    timing: Timing,
    clients: list[Client],
    streams: dict[str, int],
) -> dict[str, Any]:
    rate = fixture.sizes.posts_a_second
    first = await fixture.owner.fetchval("select coalesce(max(id), 0) from tweets.outbox")
    meter = CpuMeter(streams)
    measured = await open_loop(
        fixture.urls, timing.post, rate, fixture.sizes.mix_seconds, then=timing.posted
    )
    async with asyncio.timeout(_BACK_SECONDS):
        while await fixture.owner.fetchval(_HAS_PENDING_EVENTS, first):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await asyncio.sleep(_SETTLE_SECONDS)
    used = meter.used()
    delivered = timing.count
    found = distribution(timing.delays)
    micros = {name: seconds / delivered * 1e6 for name, seconds in used.items()}
    fixture.say(
        f"post to notice: p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms;"
        f" {delivered} notices, {micros[STREAM]:.0f} µs each in the stream process,"
        f" {micros[GATEWAY]:.0f} µs in the gateway (with the posts)"
    )
    return {
        "rate": rate,
        "failed": measured.failed,
        "generator": measured.generator,
        "post": distribution(measured.all()),
        "delay": found,
        "delivered": delivered,
        "us_by_part": micros,
    }


async def _restart(fixture: Fixture, program: str, clients: list[Client]) -> dict[str, Any]:
    """Stops the program by SIGTERM; the supervisor starts it again. Reads go on meanwhile."""
    key = fixture.reader.key
    read = partial(fixture.get, FEED, key=key)
    await closed_loop(fixture.urls, read, 100)
    usual = await open_loop(fixture.urls, read, _READS_A_SECOND, fixture.sizes.open_seconds)
    reading = asyncio.create_task(
        open_loop(fixture.urls, read, _READS_A_SECOND, fixture.sizes.restart_seconds)
    )
    stopped_at = time.perf_counter()
    pid = await asyncio.to_thread(fixture.system.pid, program)
    os.kill(pid, signal.SIGTERM)
    all_gone = False
    while time.perf_counter() - stopped_at < _BACK_SECONDS:
        is_open = sum(client.is_open for client in clients)
        all_gone = all_gone or is_open == 0
        if all_gone and is_open == len(clients):
            break
        await asyncio.sleep(0.05)
    back = time.perf_counter() - stopped_at
    measured = await reading
    is_open = sum(client.is_open for client in clients)
    found: dict[str, Any] = {
        "back": back,
        "open": is_open,
        "usual": distribution(usual.all()),
        "meanwhile": distribution(measured.all()),
        "unanswered": measured.failed,
    }
    fixture.say(
        f"{program} stopped: {is_open} streams back after {back:.1f} s; reads p99"
        f" {found['meanwhile']['p99']:.1f} ms, usually {found['usual']['p99']:.1f} ms,"
        f" {measured.failed} failed"
    )
    return found


def _differences(fixture: Fixture, timing: Timing, clients: list[Client]) -> tuple[int, int]:
    """How many notices are missing, and how many came more than once."""
    company = fixture.company
    members = fixture._members
    followed: dict[int, set[int]] = {}
    for follower, author in company.follows:
        followed.setdefault(members[follower].id, set()).add(members[author].id)
    lost = twice = 0
    for client in clients:
        reader = client.member_id
        authors = followed.get(reader, set()) | {reader}
        due = {tweet for tweet, author in timing.authors.items() if author in authors}
        got = [tweet for tweet in client.tweets if tweet in timing.authors]
        lost += len(due - set(got))
        twice += len(got) - len(set(got))
    return lost, twice
