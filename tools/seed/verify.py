"""Compares the feeds of some people with feeds computed from the plan."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from tools.api_client import Person

from .plan import Plan

READERS = 10
FEED_MAX_TWEETS = 1_000
"""How many tweets a feed without a limit returns."""
LISTED_LIKERS = 100
"""How many of its likers a tweet lists."""
_PAGE_SIZE, _PAGES = 50, 3
_STALL_TIMEOUT_SECONDS = 120
_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class ExpectedTweet:
    id: int
    author: int
    author_name: str
    content: str
    attachments: int
    likers: frozenset[int]


Feeds = dict[int, list[ExpectedTweet]]


def readers(plan: Plan, seed: int) -> list[int]:
    """Numbers of ten people: the one who follows most, one who follows few, and random others."""
    following = [0] * len(plan.names)
    for follower, _ in plan.follows:
        following[follower] += 1
    by_count = sorted(range(len(plan.names)), key=lambda person: (following[person], person))
    # Not a person who follows nobody, whose feed would contain only their own tweets.
    few = next((person for person in by_count if following[person]), by_count[0])
    chosen = {by_count[-1]: None, few: None}
    others = [person for person in by_count if person not in chosen]
    random = Random(f"{plan.digest}:readers:{seed}")  # noqa: S311 (reproducible, not a secret)
    for person in random.sample(others, min(len(others), READERS - len(chosen))):
        chosen[person] = None
    return list(chosen)


def expected_feeds(
    plan: Plan, people: dict[int, int], tweets: dict[int, int], reader_numbers: Iterable[int]
) -> Feeds:
    """Feeds by the reader's number. `people` and `tweets` map numbers to ids."""
    likers: list[set[int]] = [set() for _ in plan.tweets]
    for person, tweet in plan.likes:
        likers[tweet].add(people[person])
    followed: dict[int, set[int]] = {reader: {reader} for reader in reader_numbers}
    for follower, other in plan.follows:
        if follower in followed:
            followed[follower].add(other)
    feeds: Feeds = {}
    for reader, authors in followed.items():
        visible = [
            ExpectedTweet(
                tweets[number],
                people[author],
                plan.names[author],
                text,
                int(number in plan.with_picture),
                frozenset(likers[number]),
            )
            for number, (author, text) in enumerate(plan.tweets)
            if author in authors and number not in plan.parents
        ]
        feeds[reader] = sorted(visible, key=lambda tweet: (-len(tweet.likers), -tweet.id))
    return feeds


async def catch_up(people: dict[int, Person], feeds: Feeds, report: Callable[[int], None]) -> None:
    """Returns when the readers see everything that was sent, or when progress stalls."""
    seen_by_reader = dict.fromkeys(feeds, 0)
    best, progress_at = -1, time.monotonic()
    while True:
        for reader, feed in feeds.items():
            if seen_by_reader[reader] < weight(feed):
                pages = people[reader].whole_feed()
                seen_by_reader[reader] = sum([1 + tweet["like_count"] async for tweet in pages])
        seen = sum(seen_by_reader.values())
        report(seen)
        if seen >= sum(map(weight, feeds.values())):
            return
        if seen > best:
            best, progress_at = seen, time.monotonic()
        if time.monotonic() - progress_at > _STALL_TIMEOUT_SECONDS:
            return
        await asyncio.sleep(_POLL_SECONDS)


def weight(feed: list[ExpectedTweet]) -> int:
    """The number of tweets and likes."""
    return sum(1 + len(tweet.likers) for tweet in feed)


async def difference(reader: Person, feed: list[ExpectedTweet]) -> str | None:
    """Describes the first difference between the reader's feed and the expected one, if any."""
    full = await reader.feed()
    by_cursor = [tweet async for tweet in reader.whole_feed()]
    ways = [("the whole feed", full, feed[:FEED_MAX_TWEETS]), ("by cursor", by_cursor, feed)]
    for page in range(1, _PAGES + 1):
        got = await reader.feed(f"?offset={page}&limit={_PAGE_SIZE}")
        expected_tweets = feed[(page - 1) * _PAGE_SIZE : page * _PAGE_SIZE]
        ways.append((f"page {page} by offset", got, expected_tweets))
    for way, got, expected_tweets in ways:
        for place, (tweet, expected) in enumerate(zip(got, expected_tweets, strict=False), start=1):
            if wrong := _wrong(tweet, expected, reader.id):
                return f"{way}, place {place}: {wrong}"
        if len(got) != len(expected_tweets):
            return f"{way}: {len(got)} tweets instead of {len(expected_tweets)}"
    return None


def _wrong(tweet: dict[str, Any], expected: ExpectedTweet, reader_id: int) -> str | None:
    likers = {like["user_id"] for like in tweet["likes"]}
    listed = min(LISTED_LIKERS, len(expected.likers))
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
    for what, (got, expected_tweets) in compared.items():
        if got != expected_tweets:
            return f"{what} of tweet {tweet['id']} is {got!r} instead of {expected_tweets!r}"
    return None
