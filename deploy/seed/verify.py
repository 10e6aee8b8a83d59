"""Whether people read what was sent: their feeds, beside a plain recomputation from the plan."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from .client import Client
from .plan import Plan

READERS = 10
WHOLE = 1_000
"""How many tweets a feed that is asked for without a page gives."""
LISTED = 100
"""How many likers a tweet lists."""
_PAGE, _PAGES = 50, 3
_STANDSTILL_SECONDS = 120
_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Expected:
    id: int
    author: int
    author_name: str
    content: str
    attachments: int
    likers: frozenset[int]


Feeds = dict[int, list[Expected]]


def readers(plan: Plan, seed: int) -> list[int]:
    """Ten people by number, among them who follows most and one who follows few."""
    following = [0] * len(plan.names)
    for follower, _ in plan.follows:
        following[follower] += 1
    by_count = sorted(range(len(plan.names)), key=lambda person: (following[person], person))
    # Who follows nobody reads their own tweets alone: that tells less than following a few.
    few = next((person for person in by_count if following[person]), by_count[0])
    chosen = {by_count[-1]: None, few: None}
    others = [person for person in by_count if person not in chosen]
    chance = Random(f"{plan.digest}:readers:{seed}")  # noqa: S311 (nothing secret)
    for person in chance.sample(others, min(len(others), READERS - len(chosen))):
        chosen[person] = None
    return list(chosen)


def expected_feeds(
    plan: Plan, people: dict[int, int], tweets: dict[int, int], who: Iterable[int]
) -> Feeds:
    """The feeds by reader's number; `people` and `tweets` give ids by number."""
    likers: list[set[int]] = [set() for _ in plan.tweets]
    for person, tweet in plan.likes:
        likers[tweet].add(people[person])
    followed: dict[int, set[int]] = {reader: {reader} for reader in who}
    for follower, other in plan.follows:
        if follower in followed:
            followed[follower].add(other)
    feeds: Feeds = {}
    for reader, authors in followed.items():
        seen = [
            Expected(
                tweets[number],
                people[author],
                plan.names[author],
                text,
                int(number in plan.pictured),
                frozenset(likers[number]),
            )
            for number, (author, text) in enumerate(plan.tweets)
            if author in authors
        ]
        feeds[reader] = sorted(seen, key=lambda tweet: (-len(tweet.likers), -tweet.id))
    return feeds


async def catch_up(
    client: Client, keys: dict[int, str], feeds: Feeds, tell: Callable[[int], None]
) -> None:
    """Returns when the readers see as many tweets and likes as were sent, or at a standstill."""
    waiting = dict.fromkeys(feeds, 0)
    best, moved_at = -1, time.monotonic()
    while True:
        for reader, feed in feeds.items():
            goal = weight(feed)
            if waiting[reader] < goal:
                pages = client.feed_pages(keys[reader])
                waiting[reader] = sum([1 + tweet["like_count"] async for tweet in pages])
        seen = sum(waiting.values())
        tell(seen)
        if seen >= sum(map(weight, feeds.values())):
            return
        if seen > best:
            best, moved_at = seen, time.monotonic()
        if time.monotonic() - moved_at > _STANDSTILL_SECONDS:
            return
        await asyncio.sleep(_LOOK_SECONDS)


def weight(feed: list[Expected]) -> int:
    """Tweets and likes together."""
    return sum(1 + len(tweet.likers) for tweet in feed)


async def difference(client: Client, key: str, reader_id: int, feed: list[Expected]) -> str | None:
    """The first difference between what the reader gets and what was sent, as a sentence."""
    whole = (await client.feed(key))["tweets"]
    by_cursor = [tweet async for tweet in client.feed_pages(key)]
    ways = [("the whole feed", whole, feed[:WHOLE]), ("by cursor", by_cursor, feed)]
    for page in range(1, _PAGES + 1):
        answer = await client.feed(key, offset=page, limit=_PAGE)
        wanted = feed[(page - 1) * _PAGE : page * _PAGE]
        ways.append((f"page {page} by offset", answer["tweets"], wanted))
    for way, got, wanted in ways:
        for place, (tweet, expected) in enumerate(zip(got, wanted, strict=False), start=1):
            if wrong := _wrong(tweet, expected, reader_id):
                return f"{way}, place {place}: {wrong}"
        if len(got) != len(wanted):
            return f"{way}: {len(got)} tweets instead of {len(wanted)}"
    return None


def _wrong(tweet: dict[str, Any], expected: Expected, reader_id: int) -> str | None:
    likers = {like["user_id"] for like in tweet["likes"]}
    listed = min(LISTED, len(expected.likers))
    liked = reader_id in expected.likers
    compared = {
        "id": (tweet["id"], expected.id),
        "author": (tweet["author"]["id"], expected.author),
        "author's name": (tweet["author"]["name"], expected.author_name),
        "content": (tweet["content"], expected.content),
        "number of attachments": (len(tweet["attachments"]), expected.attachments),
        "like_count": (tweet["like_count"], len(expected.likers)),
        "number of likes listed": (len(tweet["likes"]), listed),
        "number of different likers": (len(likers), listed),
        "likers who never liked it": (likers - expected.likers, set()),
        "liked": (tweet["liked"], liked),
        "the reader among the likers": (reader_id in likers, liked),
    }
    for what, (got, wanted) in compared.items():
        if got != wanted:
            return f"{what} of tweet {tweet['id']} is {got!r} instead of {wanted!r}"
    return None
