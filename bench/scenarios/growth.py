"""The same read with growing amounts of data."""

from typing import Any

from bench import data
from bench.fixture import AUTHORS, FEED, FOLLOWED, UNKNOWN_EVENT, Changes, Fixture
from bench.load import always
from bench.measure import figure

ROUNDS = 3


async def tweets(fixture: Fixture) -> dict[str, Any]:
    """By the number of tweets in the feed's tables."""
    found = {}
    for count in fixture.sizes.growth_tweets:
        fixture.say(f"loading {count:,} tweets")
        await data.fill(fixture.owner, count, AUTHORS)
        followed = await data.follow(fixture.owner, fixture.reader.id, AUTHORS, FOLLOWED)
        found[str(count)] = await _reads(fixture, f"{count:,} tweets", followed)
    return found


async def followed(fixture: Fixture) -> dict[str, Any]:
    """By the number of people followed, all of authors_followed have tweets."""
    authors = max(AUTHORS, 2 * max(fixture.sizes.growth_followed))
    await data.fill(fixture.owner, fixture.sizes.tweets, authors)
    found = {}
    for count in fixture.sizes.growth_followed:
        authors_followed = await data.follow(fixture.owner, fixture.reader.id, authors, count)
        found[str(count)] = await _reads(fixture, f"{count:,} followed", authors_followed)
    return found


async def _reads(fixture: Fixture, name: str, followed: list[int]) -> dict[str, Any]:
    changes = Changes(fixture, {fixture.reader: followed})
    fresh, database = fixture.get(FEED), fixture.get(FEED, UNKNOWN_EVENT)
    rounds = min(ROUNDS, fixture.sizes.rounds)
    count = fixture.sizes.growth_reads
    page = await fixture.reader.ask("GET", FEED)
    return {
        "page_bytes": len(page.content),
        "fresh": await figure(
            fixture, f"{name}, page fresh", always(fresh), 3 * count, rounds=rounds
        ),
        "rebuilt": await figure(
            fixture,
            f"{name}, page rebuilt",
            changes.next_request,
            count,
            connections=1,
            before=changes,
            rounds=rounds,
        ),
        "database": await figure(
            fixture, f"{name}, read by the database", always(database), count, rounds=rounds
        ),
    }
