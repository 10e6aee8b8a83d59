"""The search among many tweets: words of different frequency, one after another."""

import time
from statistics import median
from typing import Any
from urllib.parse import quote

from bench import data, texts
from bench.fixture import AUTHORS, Fixture
from bench.load import Measurement, always, closed_loop, distribution
from bench.measure import figure

from .costs import TEXT

_QUERIES = 300
_RANKS = {"common": (100, 300), "medium": (500, 5_000), "rare": (20_000, 90_000)}
_SIZE = """
select pg_relation_size('feed.tweet_words_words'), pg_total_relation_size('feed.tweet_words')
"""

_SEARCH_WORDS = """
select pg_get_functiondef(oid), pg_get_function_arguments(oid)
from pg_proc where oid = 'feed.search_words'::regproc
"""
_NO_WORDS = """
create or replace function feed.search_words({}) returns tsvector stable language sql
as $$ select ''::tsvector $$
"""


async def measure(fixture: Fixture) -> dict[str, Any]:
    count = max(fixture.sizes.growth_tweets)
    fixture.say(f"loading {count:,} tweets with texts")
    await data.fill(fixture.owner, count, AUTHORS)
    started_at = time.monotonic()
    await texts.write(fixture.owner, count)
    found: dict[str, Any] = {"tweets": count, "load_seconds": time.monotonic() - started_at}
    index, table = tuple(await fixture.owner.fetchrow(_SIZE))
    found |= {"index_bytes": index, "table_bytes": table}
    words = {name: texts.words(*ranks, _QUERIES) for name, ranks in _RANKS.items()}
    two = [" ".join(pair) for pair in zip(words["common"] * 4, words["medium"], strict=False)]
    queries = {
        **words,
        "two words": two,
        "beginning of a word": [word[:4] for word in words["medium"]],
        "most liked, common": words["common"],
        "most liked, medium": words["medium"],
    }
    for name, searched in queries.items():
        order = "&order=popular" if name.startswith("most liked") else ""
        prefix = "&prefix=true" if name.startswith("beginning") else ""
        requests = [
            fixture.get(f"/api/search?q={quote(query)}{order}{prefix}") for query in searched
        ]
        measured = Measurement()
        for _ in range(2):
            # The second time counts: the first one fills PostgreSQL's cache.
            measured = await closed_loop(
                fixture.urls, iter(requests).__next__, len(requests), connections=1
            )
        found[name] = {"failed": measured.failed, **distribution(measured.all())}
        fixture.say(f"{name}: p50 {found[name]['p50']:.1f} ms, p95 {found[name]['p95']:.1f} ms")
    found["indexed_post"] = await _indexed_post(fixture)
    return found


async def _indexed_post(fixture: Fixture) -> float:
    """CPU time of a post whose words are put into the index, to that of one whose words are not."""
    definition, arguments = tuple(await fixture.owner.fetchrow(_SEARCH_WORDS))
    functions = {"with words": definition, "without words": _NO_WORDS.format(arguments)}
    costs: dict[str, list[float]] = {name: [] for name in functions}
    draft = {"tweet_data": TEXT}
    request = fixture.write("POST", "/api/tweets", fixture.reader.key, draft, status=201)
    try:
        for _ in range(fixture.sizes.rounds):
            for name, function in functions.items():
                await fixture.owner.execute(function)
                cost = await figure(
                    fixture,
                    f"post, {name}",
                    always(request),
                    fixture.sizes.writes,
                    everything=True,
                    rounds=1,
                )
                costs[name].append(cost["us"])
    finally:
        await fixture.owner.execute(definition)
    return median(costs["with words"]) / median(costs["without words"])
