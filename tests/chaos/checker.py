"""What is there when things are calm, beside what must be: read through the public API alone."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from deploy.local.instance import Instance
from deploy.seed import verify
from deploy.seed.client import Client, Refused

from .door import Door
from .history import Author, History, Mark, Outcome, Tweet

CALM_SECONDS = 360
"""More than the last delay of a failing message (chassis/subscriptions), and than what comes late
from an erased person stays (adr/0021)."""
_LOOK_SECONDS = 1.0


class Checker:
    """Findings are sentences; none means that all is as it was promised."""

    def __init__(self, client: Client, door: Door, history: History) -> None:
        self._client = client
        self._door = door
        self._history = history
        self._there: dict[int, dict[str, Any]] = {}
        """By id, each tweet that its author's profile shows."""

    async def verdict(self, patience: float = CALM_SECONDS) -> list[str]:
        """Looks until there is nothing to find, or until what is found stays."""
        await self._show_every_upload()
        deadline = time.monotonic() + patience
        while found := await self._find():
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        return self._history.wrong + found + ([] if found else await self._find_among_pictures())

    async def _show_every_upload(self) -> None:
        """Posts each picture that no tweet named, so that it can be seen."""
        for upload in self._history.uploads:
            if upload.taken or upload.owner.erased:
                continue
            tweet = Tweet(
                upload.owner, f"Picture {upload.id} was kept", [upload.id], Outcome.refused
            )
            self._history.tweets[tweet.content] = tweet
            try:
                tweet.id = await self._client.post(
                    upload.owner.key, tweet.content, tweet.media_ids, f"picture-{upload.id}"
                )
            except Refused as refusal:
                self._history.wrong.append(f"picture {upload.id} is lost: {refusal}")
            else:
                tweet.posted = Outcome.done
                upload.taken = True

    async def _find(self) -> list[str]:
        found = await self._find_among_tweets()
        found += await self._find_among_follows()
        found += await self._find_among_likes()
        return found or await self._find_among_feeds()

    async def _find_among_tweets(self) -> list[str]:
        found = []
        self._there.clear()
        seen: Counter[str] = Counter()
        for author in self._history.people:
            async for shown in self._client.tweets_of(author.key, author.id):
                self._there[shown["id"]] = shown
                seen[shown["content"]] += 1
                sent = self._history.tweets.get(shown["content"])
                if sent is None or sent.posted is Outcome.refused:
                    found.append(f"appeared: {shown['content']!r}, which nobody posted")
                elif sent.id not in (None, shown["id"]) or sent.author is not author:
                    found.append(f"wrong: {shown['content']!r} is not as it was answered")
                else:
                    sent.paths = shown["attachments"] or sent.paths
        for tweet in self._history.tweets.values():
            count = seen[tweet.content]
            if count > 1:
                found.append(f"doubled: {tweet.content!r} is there {count} times")
            elif tweet.certain and not count:
                found.append(f"lost: {tweet.content!r}, tweet {tweet.id}")
            elif not tweet.possible and count:
                found.append(f"appeared: {tweet.content!r}, refused or deleted")
        return found

    async def _find_among_follows(self) -> list[str]:
        """users tells who follows whom; marks that were unsure are known afterwards."""
        found = []
        ours = {author.id: author for author in self._history.people}
        for author in self._history.people:
            path = f"/api/users/{author.id}/following"
            followed = {user async for user in self._pages(author, path, "id")} & ours.keys()
            for other in self._history.people:
                mark = self._history.follow(author.id, other.id)
                found += _compared(
                    mark, other.id in followed, f"{author.name} follows {other.name}"
                )
        return found

    async def _find_among_likes(self) -> list[str]:
        found = []
        erased = {author.id for author in self._history.erased}
        for tweet_id, tweet in self._there.items():
            likers = [like["user_id"] for like in tweet["likes"]]
            if len(likers) != len(set(likers)) or len(likers) != tweet["like_count"]:
                found.append(f"doubled: likes of tweet {tweet_id}: {likers}")
            if erased & set(likers):
                found.append(f"appeared: likes of somebody erased: tweet {tweet_id}: {likers}")
            for author in self._history.people:
                mark = self._history.likes.get((author.id, tweet_id), Mark())
                what = f"{author.name} likes tweet {tweet_id}"
                found += _compared(mark, author.id in likers, what)
        return found

    async def _find_among_feeds(self) -> list[str]:
        """Each person's feed, and everyone's, beside what the history makes of them."""
        found = []
        for author in self._history.people:
            expected = self._expected(author)
            if wrong := await verify.difference(self._client, author.key, author.id, expected):
                found.append(f"feed of {author.name}: {wrong}")
        reader = self._history.people[0]
        ours = {author.id for author in self._history.people}
        everyones = self._client.feed_pages(reader.key, scope="everyone", order="recent")
        shown = [t["id"] async for t in everyones if t["author"]["id"] in ours]
        if sorted(shown) != sorted(self._there):
            found.append(f"everyone's feed differs by {set(shown) ^ self._there.keys()}")
        return found

    def _expected(self, reader: Author) -> list[verify.Expected]:
        authors = {reader.id} | {
            other.id
            for other in self._history.people
            if self._history.follow(reader.id, other.id).set
        }
        feed = []
        for tweet_id, shown in self._there.items():
            sent = self._history.tweets[shown["content"]]
            if sent.author.id not in authors:
                continue
            likers = frozenset(
                person.id
                for person in self._history.people
                if self._history.likes.get((person.id, tweet_id), Mark()).set
            )
            feed.append(
                verify.Expected(
                    tweet_id,
                    sent.author.id,
                    sent.author.name,
                    sent.content,
                    len(sent.media_ids),
                    likers,
                )
            )
        return sorted(feed, key=lambda tweet: (-len(tweet.likers), -tweet.id))

    async def _find_among_pictures(self) -> list[str]:
        """Each picture that is shown is whole; those of deleted tweets end."""
        found = []
        for tweet in self._history.tweets.values():
            if tweet.certain:
                for path in tweet.paths:
                    if not await self._door.picture(path):
                        found.append(f"lost: the picture {path} of {tweet.content!r}")
            elif tweet.deletion is Outcome.done or tweet.author.erased:
                for path in tweet.paths:
                    if not await self._ends(path):
                        found.append(f"appeared: the picture {path} of {tweet.content!r}")
        return found

    async def _ends(self, path: str) -> bool:
        deadline = time.monotonic() + CALM_SECONDS
        while await self._door.picture(path):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    async def _pages(self, author: Author, path: str, what: str) -> AsyncIterator[int]:
        asked: dict[str, str | int] = {"limit": 100}
        while True:
            page = await self._client.get(path, author.key, asked)
            for entry in page["users"]:
                yield entry[what]
            if page["next_cursor"] is None:
                return
            asked["cursor"] = page["next_cursor"]


def _compared(mark: Mark, there: bool, what: str) -> list[str]:
    if mark.sure and mark.set != there:
        return [f"{'lost' if mark.set else 'appeared'}: {what}"]
    mark.set = there
    return []


async def check(stack: Instance, door: Door, history: History) -> list[str]:
    """What is wrong, once everything has come to rest."""
    async with Client(stack) as client:
        return await Checker(client, door, history).verdict()
