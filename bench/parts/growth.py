"""The same read with more and more of something."""

from typing import Any

from bench import data
from bench.load import always
from bench.measure import figure
from bench.scene import AUTHORS, FEED, FOLLOWED, UNHEARD, Changes, Scene

TURNS = 3


async def tweets(scene: Scene) -> dict[str, Any]:
    """With more and more tweets in the feed's tables."""
    found = {}
    for count in scene.sizes.growth_tweets:
        scene.say(f"loading {count:,} tweets")
        await data.fill(scene.owner, count, AUTHORS)
        followed = await data.follow(scene.owner, scene.reader.id, AUTHORS, FOLLOWED)
        found[str(count)] = await _reads(scene, f"{count:,} tweets", followed)
    return found


async def followed(scene: Scene) -> dict[str, Any]:
    """With more and more people followed, all of whom have tweets."""
    authors = max(AUTHORS, 2 * max(scene.sizes.growth_followed))
    await data.fill(scene.owner, scene.sizes.tweets, authors)
    found = {}
    for count in scene.sizes.growth_followed:
        whom = await data.follow(scene.owner, scene.reader.id, authors, count)
        found[str(count)] = await _reads(scene, f"{count:,} followed", whom)
    return found


async def likes(scene: Scene) -> dict[str, Any]:
    """With more and more likes on each of the 20 tweets shown, all of one author's."""
    found = {}
    for count in scene.sizes.growth_likes:
        scene.say(f"loading 20 tweets with {count:,} likes each")
        await data.fill_liked(scene.owner, 20, count)
        whom = await data.follow(scene.owner, scene.reader.id, 1, 1)
        found[str(count)] = await _reads(scene, f"{count:,} likes a tweet", whom)
    return found


async def _reads(scene: Scene, name: str, followed: list[int]) -> dict[str, Any]:
    changes = Changes(scene, {scene.reader: followed})
    fresh, database = scene.get(FEED), scene.get(FEED, UNHEARD)
    turns = min(TURNS, scene.sizes.turns)
    count = scene.sizes.growth_reads
    page = await scene.http.get(FEED, headers={"api-key": scene.reader.key})
    return {
        "page_bytes": len(page.content),
        "fresh": await figure(scene, f"{name}, page fresh", always(fresh), 3 * count, turns=turns),
        "rebuilt": await figure(
            scene,
            f"{name}, page rebuilt",
            changes.ask,
            count,
            connections=1,
            before=changes,
            turns=turns,
        ),
        "database": await figure(
            scene, f"{name}, read by the database", always(database), count, turns=turns
        ),
    }
