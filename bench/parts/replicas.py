"""Requests served by more and more replicas of the feed."""

import asyncio
from typing import Any

from bench import stack
from bench.load import always
from bench.measure import figure
from bench.scene import FEED, UNHEARD, Scene

TURNS = 3


async def measure(scene: Scene) -> dict[str, Any]:
    await scene.ordinary()
    fresh, database = scene.get(FEED), scene.get(FEED, UNHEARD)
    found = {}
    try:
        for count in scene.sizes.replicas:
            await asyncio.to_thread(stack.local, "up", FEED_REPLICAS=str(count))
            found[str(count)] = {
                "fresh": await figure(
                    scene, f"{count} replicas, page fresh", always(fresh),
                    scene.sizes.reads, turns=TURNS,
                ),
                "database": await figure(
                    scene, f"{count} replicas, read by the database", always(database),
                    scene.sizes.rebuilds, turns=TURNS,
                ),
            }  # fmt: skip
    finally:
        await asyncio.to_thread(stack.local, "up")
    return found
