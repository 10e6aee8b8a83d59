"""Latency at half of the maximum throughput, of Warble and of hello."""

from collections.abc import Sequence
from typing import Any

from bench.fixture import FEED, UNKNOWN_EVENT, Fixture
from bench.load import Request, RequestSource, always, closed_loop, distribution, open_loop
from bench.raw_http import encode_request

from .costs import TEXT

LOAD = 0.5
_CONNECTIONS = 32


async def measure(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    servers = [server.url for server in fixture.hello]
    hello = Request(encode_request(servers[0], "/"))
    fresh, database = fixture.get(FEED), fixture.get(FEED, UNKNOWN_EVENT)
    post = fixture.write(
        "POST", "/api/tweets", fixture.reader.key, {"tweet_data": TEXT}, status=201
    )
    return {
        "hello": await _waits(fixture, "hello", servers, always(hello), fixture.sizes.reads * 2),
        "feed, page fresh": await _waits(
            fixture, "feed, page fresh", fixture.urls, always(fresh), fixture.sizes.reads * 2
        ),
        "feed, read by the database": await _waits(
            fixture,
            "feed, read by the database",
            fixture.urls,
            always(database),
            fixture.sizes.reads,
        ),
        "post": await _waits(fixture, "post", fixture.urls, always(post), fixture.sizes.writes),
    }


async def _waits(
    fixture: Fixture, name: str, urls: Sequence[str], choose: RequestSource, count: int
) -> dict[str, Any]:
    saturation = (await closed_loop(urls, choose, count, _CONNECTIONS)).rate
    await fixture.settled()
    measured = await open_loop(urls, choose, saturation * LOAD, fixture.sizes.open_seconds)
    await fixture.settled()
    found = {
        "saturation": saturation,
        "rate": saturation * LOAD,
        "failed": measured.failed,
        "generator": measured.generator,
        **distribution(measured.all()),
    }
    fixture.say(f"{name} at {saturation * LOAD:,.0f}/s: p50 {found['p50']:.1f} ms")
    return found
