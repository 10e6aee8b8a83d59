"""How long a tweet is on its way to a follower, and how long its author waits to read it."""

import asyncio
import json
import random
import time
from functools import partial
from typing import Any

from bench.data import Member
from bench.load import Ask, closed, distribution, opened, percentile
from bench.scene import FEED, Person, Scene
from bench.wire import Connection, connect

from .mix import Mix

_NEWEST = "/api/tweets?order=recent&limit=20"
_LOOK_SECONDS = 0.005
"""Who looks more often keeps from its work what is waited for."""
_LATEST_SECONDS = 10.0


class Follower:
    """Looks into followers' feeds until a tweet is there."""

    def __init__(self, scene: Scene, members: list[Member]) -> None:
        self._scene = scene
        self._members = members
        self._followers = scene.company.followers()
        self._number = {member.id: place for place, member in enumerate(members)}
        self._chance = random.Random(2)  # noqa: S311  whose feed, nothing secret
        self._free: list[Connection] = []
        self._looking: set[asyncio.Task[None]] = set()
        self.lags: list[float] = []
        self.never = 0

    def look(self, author: int, tweet_id: int) -> None:
        """From now on, in the feed of one of the author's followers, by chance."""
        followers = self._followers[author]
        if not followers:
            return
        reader = self._members[self._chance.choice(followers)]
        task = asyncio.create_task(self._until_there(reader, tweet_id, time.perf_counter()))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _until_there(self, reader: Member, tweet_id: int, begun: float) -> None:
        connection = self._free.pop() if self._free else await connect(self._scene.urls[0])
        connection.keeps_body = True
        raw = self._scene.get(_NEWEST, key=reader.key).raw
        wanted = b'"id":%d,' % tweet_id
        while (lag := time.perf_counter() - begun) < _LATEST_SECONDS:
            await connection.ask(raw)
            if wanted in connection.body:
                self.lags.append(time.perf_counter() - begun)
                break
            await asyncio.sleep(_LOOK_SECONDS)
        self.never += lag >= _LATEST_SECONDS
        self._free.append(connection)

    async def end(self) -> None:
        while self._looking:
            await asyncio.wait(self._looking)
        for connection in self._free:
            connection.close()


async def measure(scene: Scene) -> dict[str, Any]:
    """From the 201 until the feed of one of the author's followers has the tweet."""
    members = await scene.members()
    mix = Mix(scene, members, await scene.pictures(4), seed=3)
    follower = Follower(scene, members)
    chance = random.Random(4)  # noqa: S311  who posts, nothing secret
    authors = [place for place, _ in enumerate(members)]

    def choose() -> Ask:
        author = chance.choice(authors)
        ask = mix.post(members[author])
        return ask._replace(kind=str(author))

    def posted(ask: Ask, body: bytes) -> None:
        follower.look(int(ask.kind), json.loads(body)["tweet_id"])

    # The followers' pages of what is newest are asked for once: the first time costs more.
    reads = iter([scene.get(_NEWEST, key=member.key) for member in members])
    await closed(scene.urls, partial(next, reads), len(members))
    rate = scene.sizes.posts_a_second
    measured = await opened(scene.urls, choose, rate, scene.sizes.mix_seconds, then=posted)
    await follower.end()
    await scene.settled()
    found = distribution(follower.lags)
    scene.say(f"delivery lag: p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms")
    return {
        "rate": rate,
        "failed": measured.failed,
        "unexpected": {str(status): len(late) for status, late in measured.unexpected.items()},
        "never": follower.never,
        "generator": measured.generator,
        "post": distribution(measured.all()),
        "lag": found,
    }


async def own_writes(scene: Scene) -> dict[str, Any]:
    """The read right after one's own post, against the same read after somebody else's change."""
    changes = await scene.ordinary()
    writer = scene.reader
    alone = await _extra_waits(scene, writer, changes)
    members = await scene.members()
    mix = Mix(scene, members, await scene.pictures(4), seed=5)
    chance = random.Random(6)  # noqa: S311  who posts, nothing secret
    load = asyncio.create_task(
        opened(
            scene.urls,
            lambda: mix.post(chance.choice(members)),
            scene.sizes.posts_a_second,
            scene.sizes.mix_seconds,
        )
    )
    beside = await _extra_waits(scene, writer, changes, load)
    await load
    await scene.settled()
    scene.say(
        f"own writes: p50 {alone['extra']['p50']:.1f} ms, p99 {alone['extra']['p99']:.1f} ms;"
        f" beside others' posts p50 {beside['extra']['p50']:.1f} ms"
    )
    return {"alone": alone, "beside_posts": {"rate": scene.sizes.posts_a_second, **beside}}


async def _extra_waits(
    scene: Scene, writer: Person, changes: Any, load: "asyncio.Task[Any] | None" = None
) -> dict[str, Any]:
    """`load` ends the series when it ends."""
    post = scene.write("POST", "/api/tweets", writer.key, {"tweet_data": "mine"}, status=201)
    read = scene.get(FEED)
    connection = await connect(scene.urls[0])
    after, without = [], []
    failed = stale = 0
    for _ in range(scene.sizes.own_writes):
        if load is not None and load.done():
            break
        failed += await connection.ask(post.raw) != post.status
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


async def _timed(connection: Connection, ask: Ask) -> float:
    begun = time.perf_counter()
    await connection.ask(ask.raw)
    return time.perf_counter() - begun
