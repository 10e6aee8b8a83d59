"""Throughput by the number of replicas of the feed."""

import asyncio
from typing import Any

from bench import stack
from bench.fixture import FEED, UNKNOWN_EVENT, Fixture
from bench.load import always
from bench.measure import figure

ROUNDS = 3


async def measure(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    fresh, database = fixture.get(FEED), fixture.get(FEED, UNKNOWN_EVENT)
    found = {}
    try:
        for count in fixture.sizes.replicas:
            await asyncio.to_thread(stack.devstack, "up", FEED_REPLICAS=str(count))
            found[str(count)] = {
                "fresh": await figure(
                    fixture, f"{count} replicas, page fresh", always(fresh),
                    fixture.sizes.reads, rounds=ROUNDS,
                ),
                "database": await figure(
                    fixture, f"{count} replicas, read by the database", always(database),
                    fixture.sizes.rebuilds, rounds=ROUNDS,
                ),
            }  # fmt: skip
    finally:
        await asyncio.to_thread(stack.devstack, "up")
    return found
