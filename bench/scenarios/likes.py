"""Likes of a tweet whose author has few or very many followers."""

from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Any

from bench import data, stack
from bench.fixture import FEED, Fixture
from bench.load import Request, always, closed_loop
from bench.measure import figure
from bench.resource_usage import CpuMeter
from tools.api_client import Person

ROUNDS = 3


async def measure(fixture: Fixture) -> dict[str, Any]:
    """By the number of the author's followers."""
    members = await fixture.members()
    found = {}
    for followers in fixture.sizes.growth_followers:
        author = await fixture.person()
        near = min(followers, len(members))
        await data.set_followers(fixture.owner, author.id, near, followers - near)
        rounds = min(ROUNDS, fixture.sizes.rounds)
        # A person can like a tweet only once, so the rounds use different people and tweets.
        likes = await _likes(fixture, author, members, fixture.sizes.writes * (rounds + 1) * 2)
        found[str(followers)] = {
            **await figure(
                fixture, f"like, {followers:,} followers", partial(next, likes),
                fixture.sizes.writes, everything=True, rounds=rounds,
            ),
            "pages_at_hand": near,
            "us_with_pages_at_hand": await _invalidation_cost(fixture, author, members[:near]),
        }  # fmt: skip
    return found


async def _likes(
    fixture: Fixture, author: Person, members: list[data.Member], count: int
) -> Iterator[Request]:
    """At least `count` different likes."""
    tweets = [await author.post() for _ in range(count // len(members) + 1)]
    return (
        fixture.write("POST", f"/api/tweets/{tweet}/likes", member.key)
        for tweet in tweets
        for member in members
    )


async def _invalidation_cost(fixture: Fixture, author: Person, near: list[data.Member]) -> float:
    """CPU microseconds of the feed's api for one like, while the followers' pages are cached."""
    path = f"/api/tweets/{await author.post()}/likes"
    await fixture.settled()
    feed = {name: pid for name, pid in stack.pids(fixture.system).items() if "feed-api" in name}
    used = []
    for turn in range(fixture.sizes.rounds):
        reads = iter([fixture.get(FEED, key=member.key) for member in near])
        await closed_loop(fixture.urls, partial(next, reads), len(near))
        like = fixture.write(("POST", "DELETE")[turn % 2], path, fixture.reader.key)
        meter = CpuMeter(feed)
        await closed_loop(fixture.urls, always(like), 1, 1)
        await fixture.settled()
        used.append(sum(meter.used(fixture.rest).values()) * 1e6)
    return median(used)
