"""How long until a follower sees a tweet, and how long its author waits to read it."""

import asyncio
import json
import random
import time
from functools import partial
from typing import Any

from bench.data import Member
from bench.fixture import FEED, Fixture
from bench.load import Request, closed_loop, distribution, open_loop, percentile
from bench.raw_http import Connection, connect
from tools.api_client import Person

from .mix import Mix

_NEWEST = "/api/tweets?order=recent&limit=20"
_POLL_SECONDS = 0.005
"""More frequent polling would slow down the delivery itself."""
_TIMEOUT_SECONDS = 10.0


class FeedWatcher:
    """Polls followers' feeds until a tweet appears, and records the delays."""

    def __init__(self, fixture: Fixture, members: list[Member]) -> None:
        self._fixture = fixture
        self._members = members
        self._followers = fixture.company.followers()
        self._number = {member.id: place for place, member in enumerate(members)}
        self._chance = random.Random(2)  # noqa: S311 (not a secret)
        self._free: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.lags: list[float] = []
        self.never = 0

    def watch(self, author: int, tweet_id: int) -> None:
        """Starts polling the feed of a random follower of the author."""
        followers = self._followers[author]
        if not followers:
            return
        reader = self._members[self._chance.choice(followers)]
        task = asyncio.create_task(self._poll(reader, tweet_id, time.perf_counter()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _poll(self, reader: Member, tweet_id: int, started_at: float) -> None:
        connection = self._free.pop() if self._free else await connect(self._fixture.urls[0])
        connection.keeps_body = True
        raw = self._fixture.get(_NEWEST, key=reader.key).raw
        needle = b'"id":%d,' % tweet_id
        while (lag := time.perf_counter() - started_at) < _TIMEOUT_SECONDS:
            await connection.send(raw)
            if needle in connection.body:
                self.lags.append(time.perf_counter() - started_at)
                break
            await asyncio.sleep(_POLL_SECONDS)
        self.never += lag >= _TIMEOUT_SECONDS
        self._free.append(connection)

    async def finish(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)
        for connection in self._free:
            connection.close()


async def measure(fixture: Fixture) -> dict[str, Any]:
    """The time from the 201 until the feed of a follower contains the tweet."""
    members = await fixture.members()
    mix = Mix(fixture, members, await fixture.pictures(4), seed=3)
    watcher = FeedWatcher(fixture, members)
    chance = random.Random(4)  # noqa: S311 (not a secret)
    authors = [place for place, _ in enumerate(members)]

    def choose() -> Request:
        author = chance.choice(authors)
        request = mix.post(members[author])
        return request._replace(kind=str(author))

    def posted(request: Request, body: bytes) -> None:
        watcher.watch(int(request.kind), json.loads(body)["tweet_id"])

    # Each follower reads once in advance, because the first read costs more.
    reads = iter([fixture.get(_NEWEST, key=member.key) for member in members])
    await closed_loop(fixture.urls, partial(next, reads), len(members))
    rate = fixture.sizes.posts_a_second
    measured = await open_loop(fixture.urls, choose, rate, fixture.sizes.mix_seconds, then=posted)
    await watcher.finish()
    await fixture.settled()
    found = distribution(watcher.lags)
    fixture.say(f"delivery lag: p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms")
    return {
        "rate": rate,
        "failed": measured.failed,
        "unexpected": {str(status): len(late) for status, late in measured.unexpected.items()},
        "never": watcher.never,
        "generator": measured.generator,
        "post": distribution(measured.all()),
        "lag": found,
    }


async def own_writes(fixture: Fixture) -> dict[str, Any]:
    """The read after one's own post, compared with the same read after another person's change."""
    changes = await fixture.ordinary()
    writer = fixture.reader
    alone = await _extra_waits(fixture, writer, changes)
    members = await fixture.members()
    mix = Mix(fixture, members, await fixture.pictures(4), seed=5)
    chance = random.Random(6)  # noqa: S311 (not a secret)
    load = asyncio.create_task(
        open_loop(
            fixture.urls,
            lambda: mix.post(chance.choice(members)),
            fixture.sizes.posts_a_second,
            fixture.sizes.mix_seconds,
        )
    )
    with_load = await _extra_waits(fixture, writer, changes, load)
    await load
    await fixture.settled()
    fixture.say(
        f"own writes: p50 {alone['extra']['p50']:.1f} ms, p99 {alone['extra']['p99']:.1f} ms;"
        f" beside others' posts p50 {with_load['extra']['p50']:.1f} ms"
    )
    return {"alone": alone, "beside_posts": {"rate": fixture.sizes.posts_a_second, **with_load}}


async def _extra_waits(
    fixture: Fixture, writer: Person, changes: Any, load: "asyncio.Task[Any] | None" = None
) -> dict[str, Any]:
    """If `load` is given, the series ends with it."""
    post = fixture.write("POST", "/api/tweets", writer.key, {"tweet_data": "mine"}, status=201)
    read = fixture.get(FEED)
    connection = await connect(fixture.urls[0])
    after, without = [], []
    failed = stale = 0
    for _ in range(fixture.sizes.own_writes):
        if load is not None and load.done():
            break
        failed += await connection.send(post.raw) != post.status
        after.append(await _timed(connection, read))
        stale += b"warble-stale" in connection.headers
        await changes()
        without.append(await _timed(connection, read))
    connection.close()
    usual = percentile(without, 0.5)
    return {
        "failed": failed,
        "stale": stale,
        "after": distribution(after),
        "without": distribution(without),
        "extra": distribution([max(0.0, latency - usual) for latency in after]),
    }


async def _timed(connection: Connection, request: Request) -> float:
    started_at = time.perf_counter()
    await connection.send(request.raw)
    return time.perf_counter() - started_at
