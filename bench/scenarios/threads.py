"""Pages of a long thread: a chain of replies, and a tweet with as many direct replies."""

from typing import Any

from bench import data
from bench.fixture import Fixture
from bench.load import always
from bench.measure import figure

TWEETS = 4_000


async def measure(fixture: Fixture) -> dict[str, Any]:
    found = {}
    for shape in ("chain", "star"):
        fixture.say(f"loading a thread of {TWEETS:,} tweets: a {shape}")
        ids = await data.fill_thread(fixture.owner, TWEETS, chain=shape == "chain")
        for name, tweet_id, query in (
            ("first page", ids[0], ""),
            ("around a reply", ids[0], f"?around={ids[TWEETS // 2]}"),
            ("of a reply", ids[TWEETS // 2], ""),
        ):
            request = fixture.get(f"/api/tweets/{tweet_id}/thread{query}")
            found[f"{shape}, {name}"] = await figure(
                fixture, f"{shape}, {name}", always(request), fixture.sizes.rebuilds
            )
    return found
