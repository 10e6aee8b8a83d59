"""A steady mixed load: people who write, like, follow, delete and read, each one call at a time."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

import aiohttp

from deploy.local.instance import Instance
from gateway.own_writes import SECONDS
from tests.journeys.company import company_at, png

from .door import PATIENCE_SECONDS, UPLOAD_SECONDS, UPLOADS, Door, Told
from .history import Author, History, Outcome, Tweet, Upload

PEOPLE = 12
CALLS_A_SECOND = 20.0
"""Of all together."""
_PAGE = 100
_NEWEST_PAGE = 20
_NEWEST = f"?order=recent&limit={_NEWEST_PAGE}"
_REPEATS = 40
"""How often a call that may be repeated is sent, half a second apart, until it is answered."""
_AGAIN_SECONDS = 0.5
_REMEMBERED_SECONDS = SECONDS - 2
"""For how long the gateway certainly names somebody's write in their reads."""

_UPLOAD_TIMEOUT = aiohttp.ClientTimeout(total=PATIENCE_SECONDS + UPLOAD_SECONDS)

_CHOICES = {
    "post": 29,
    "post_picture": 3,
    "like": 22,
    "unlike": 6,
    "follow": 6,
    "unfollow": 4,
    "delete": 5,
    "read_own": 14,
    "read_feed": 11,
}


class Load:
    """Runs until it is left. `history` fills meanwhile."""

    def __init__(self, session: aiohttp.ClientSession, history: History, seed: str) -> None:
        self.history = history
        self.door = Door(session, history)
        self._actors = [
            _Actor(self, author, Random(f"{seed}:{number}"))
            for number, author in enumerate(history.people)
        ]

    @asynccontextmanager
    async def running(self, calls_a_second: float = CALLS_A_SECOND) -> AsyncIterator[None]:
        """Everybody ends the call that they are in before this is left."""
        ended = asyncio.Event()
        pause = len(self._actors) / calls_a_second
        async with asyncio.TaskGroup() as group:
            for actor in self._actors:
                group.create_task(actor.act(ended, pause))
            try:
                yield
            finally:
                ended.set()


@asynccontextmanager
async def hired(stack: Instance, seed: str, people: int = PEOPLE) -> AsyncIterator[Load]:
    """A load of people whom nobody else knows."""
    authors = []
    async with company_at(stack) as company:
        for number in range(people):
            person = await company.hire(f"{secrets.token_hex(4)} {number}")
            authors.append(Author(person.id, person.name, person.key))
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(
        stack.gateway_url,
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Load(session, History(authors), seed)


class _Actor:
    """One person. What is theirs is touched by nobody else."""

    def __init__(self, load: Load, author: Author, chance: Random) -> None:
        self._history = load.history
        self._door = load.door
        self._me = author
        self._chance = chance
        self._own: list[Tweet] = []
        self._settled_at: dict[str, float] = {}
        """When the last call about a tweet of one's own was answered."""
        self._liked_at: dict[int, float] = {}
        self._seen: set[str] = set()
        self._count = 0

    async def act(self, ended: asyncio.Event, pause: float) -> None:
        names, weights = list(_CHOICES), list(_CHOICES.values())
        while not ended.is_set() and not self._me.erased:
            (name,) = self._chance.choices(names, weights)
            await getattr(self, f"_{name}")()
            try:
                async with asyncio.timeout(self._chance.expovariate(1 / pause)):
                    await ended.wait()
            except TimeoutError:
                continue

    async def _until_answered(self, method: str, path: str, **request: Any) -> Told:
        """The answer to a call that may be sent again; unknown if one of them may have done it."""
        clean = True
        for _ in range(_REPEATS):
            told = await self._door.write(self._me, method, path, **request)
            if told.status and told.status < 500 and told.status != 429:
                return told
            clean = clean and told.outcome is Outcome.refused
            await asyncio.sleep(_AGAIN_SECONDS)
        return told if clean else replace(told, outcome=Outcome.unknown)

    # Tweets.

    def _draft(self, media_ids: list[int]) -> Tweet:
        self._count += 1
        content = f"{self._me.name} said this as number {self._count}"
        return Tweet(self._me, content, media_ids, Outcome.unknown)

    async def _post(self, *media: Upload) -> None:
        tweet = self._draft([upload.id for upload in media])
        self._history.tweets[tweet.content] = tweet
        body: dict[str, Any] = {"tweet_data": tweet.content, "tweet_media_ids": tweet.media_ids}
        if self._chance.random() < 0.5:
            body["draft_id"] = f"draft-{self._count}"
            told = await self._until_answered("POST", "/api/tweets", json=body)
        else:
            told = await self._door.write(self._me, "POST", "/api/tweets", json=body)
        tweet.posted = told.outcome
        if told.outcome is Outcome.done:
            tweet.id = told.body["tweet_id"]
        elif told.status in (404, 409):
            self._history.wrong.append(f"{tweet.content!r} was refused: {json.dumps(told.body)}")
        for upload in media:
            upload.taken = told.outcome is not Outcome.refused
        self._own.append(tweet)
        self._settled_at[tweet.content] = time.monotonic()

    async def _post_picture(self) -> None:
        form = aiohttp.FormData()
        form.add_field("file", png(), filename="picture.png", content_type="image/png")
        told = await self._door.write(self._me, "POST", UPLOADS, data=form, timeout=_UPLOAD_TIMEOUT)
        if told.outcome is Outcome.done:
            upload = Upload(self._me, told.body["media_id"])
            self._history.uploads.append(upload)
            if self._chance.random() < 0.8:
                await self._post(upload)

    async def _delete(self) -> None:
        mine = [tweet for tweet in self._own if tweet.certain]
        if not mine:
            return
        tweet = self._chance.choice(mine)
        tweet.deletion = Outcome.unknown
        path = f"/api/tweets/{tweet.id}"
        told = await self._door.write(self._me, "DELETE", path)
        if told.status == 404 and not self._me.erased:
            self._history.wrong.append(f"{tweet.content!r} was there and could not be deleted")
        elif told.outcome is Outcome.refused and told.status != 404:
            tweet.deletion = None
        elif told.outcome is Outcome.unknown and self._chance.random() < 0.5:
            told = await self._until_answered("DELETE", path)
        if told.outcome is Outcome.done or told.status == 404:
            tweet.deletion = Outcome.done
        # Not found: by a call before, which had no answer, so that the next read owes nothing.
        self._settled_at[tweet.content] = 0.0 if told.status == 404 else time.monotonic()

    # Likes and follows.

    async def _like(self) -> None:
        await self._set_like(wanted=True)

    async def _unlike(self) -> None:
        await self._set_like(wanted=False)

    async def _set_like(self, *, wanted: bool) -> None:
        tweets = self._history.known_tweets()[-60:]
        open_to_me = [
            tweet
            for tweet in tweets
            if (mark := self._history.like(self._me.id, tweet.id or 0)).sure and mark.set != wanted
        ]
        if not open_to_me:
            return
        tweet = self._chance.choice(open_to_me)
        assert tweet.id is not None
        mark = self._history.like(self._me.id, tweet.id)
        method = "POST" if wanted else "DELETE"
        told = await self._door.write(self._me, method, f"/api/tweets/{tweet.id}/likes")
        if told.status == 404 and tweet.certain:
            self._history.wrong.append(f"{tweet.content!r} was there and could not be liked")
        mark.told(wanted, told.outcome)
        self._liked_at[tweet.id] = time.monotonic()

    async def _follow(self) -> None:
        await self._set_follow(wanted=True)

    async def _unfollow(self) -> None:
        await self._set_follow(wanted=False)

    async def _set_follow(self, *, wanted: bool) -> None:
        others = [
            other
            for other in self._history.people
            if other is not self._me
            and (mark := self._history.follow(self._me.id, other.id)).sure
            and mark.set != wanted
        ]
        if not others:
            return
        other = self._chance.choice(others)
        method = "POST" if wanted else "DELETE"
        told = await self._door.write(self._me, method, f"/api/users/{other.id}/follow")
        self._history.follow(self._me.id, other.id).told(wanted, told.outcome)

    # Reading one's own writes.

    async def _read_own(self) -> None:
        told = await self._door.read(self._me, f"/api/users/{self._me.id}/tweets?limit={_PAGE}")
        if told.outcome is not Outcome.done:
            return
        self._compare_own(told, _PAGE)

    def _compare_own(self, told: Told, asked: int) -> None:
        """One's own tweets beside a page of the newest, which is whole where it is not full."""
        there = {tweet["content"]: tweet for tweet in told.body["tweets"]}
        oldest = min((tweet["id"] for tweet in told.body["tweets"]), default=0)
        reaches = oldest if len(there) == asked else 0
        for tweet in self._own:
            if tweet.id is None or tweet.id >= reaches:
                self._compare(tweet, there.get(tweet.content), told)

    def _compare(self, tweet: Tweet, found: dict[str, Any] | None, told: Told) -> None:
        recent = time.monotonic() - self._settled_at[tweet.content] < _REMEMBERED_SECONDS
        owed = recent and not told.stale
        if found is not None:
            tweet.paths = found["attachments"] or tweet.paths
            if tweet.posted is Outcome.refused:
                self._history.wrong.append(f"{tweet.content!r} was refused and is there")
            if tweet.deletion is Outcome.done and owed:
                self._history.wrong.append(f"{tweet.content!r} was deleted and is still read")
            self._seen.add(tweet.content)
            return
        if tweet.certain and owed:
            self._history.wrong.append(f"{tweet.content!r} is not in its author's next read")
        if tweet.certain and tweet.content in self._seen:
            self._history.wrong.append(f"{tweet.content!r} was read before and is no more")

    async def _read_feed(self) -> None:
        way = self._chance.choice(("?limit=20", _NEWEST, "?offset=2&limit=20", ""))
        told = await self._door.read(self._me, f"/api/tweets{way}")
        if told.outcome is not Outcome.done or told.stale:
            return
        now = time.monotonic()
        if way == _NEWEST:
            self._compare_own(told, _NEWEST_PAGE)
        for tweet in told.body["tweets"]:
            mark = self._history.likes.get((self._me.id, tweet["id"]))
            settled = self._liked_at.get(tweet["id"], 0.0)
            if mark is None or not mark.sure or now - settled > _REMEMBERED_SECONDS:
                continue
            if tweet["liked"] != mark.set:
                said = "likes" if mark.set else "likes no more"
                name = self._me.name
                self._history.wrong.append(f"{name} {said} {tweet['id']}, and reads otherwise")
