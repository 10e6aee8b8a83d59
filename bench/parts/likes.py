"""Liking a tweet of somebody whom few, or very many, follow."""

from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Any

from bench import data, stack
from bench.accounting import Meter
from bench.load import Ask, always, closed
from bench.measure import figure
from bench.scene import FEED, Person, Scene

TURNS = 3


async def measure(scene: Scene) -> dict[str, Any]:
    """By the number of the author's followers."""
    members = await scene.members()
    found = {}
    for followers in scene.sizes.growth_followers:
        author = await scene.person()
        near = min(followers, len(members))
        await data.be_followed(scene.owner, author.id, near, followers - near)
        turns = min(TURNS, scene.sizes.turns)
        # Each tweet is liked by everyone once at most: a turn takes a part of the members.
        asks = await _likes(scene, author, members, scene.sizes.writes * (turns + 1) * 2)
        found[str(followers)] = {
            **await figure(
                scene, f"like, {followers:,} followers", partial(next, asks),
                scene.sizes.writes, everything=True, turns=turns,
            ),
            "pages_at_hand": near,
            "us_with_pages_at_hand": await _dropping(scene, author, members[:near]),
        }  # fmt: skip
    return found


async def _likes(
    scene: Scene, author: Person, members: list[data.Member], most: int
) -> Iterator[Ask]:
    """As many different likes as may be asked for."""
    tweets = [await scene.post(author) for _ in range(most // len(members) + 1)]
    return (
        scene.write("POST", f"/api/tweets/{tweet}/likes", member.key)
        for tweet in tweets
        for member in members
    )


async def _dropping(scene: Scene, author: Person, near: list[data.Member]) -> float:
    """Microseconds of the feed's api for one like, while so many followers' pages are at hand.

    Each of these pages was paid for by the read that made it.
    """
    path = f"/api/tweets/{await scene.post(author)}/likes"
    await scene.settled()
    feed = {name: pid for name, pid in stack.pids(scene.system).items() if "feed-api" in name}
    used = []
    for turn in range(scene.sizes.turns):
        reads = iter([scene.get(FEED, key=member.key) for member in near])
        await closed(scene.urls, partial(next, reads), len(near))
        like = scene.write(("POST", "DELETE")[turn % 2], path, scene.reader.key)
        meter = Meter(feed)
        await closed(scene.urls, always(like), 1, 1)
        await scene.settled()
        used.append(sum(meter.used(scene.rest).values()) * 1e6)
    return median(used)
