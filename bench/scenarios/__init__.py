"""The scenarios, which are independent of each other: `make bench ONLY=post,mix` runs two."""

from collections.abc import Awaitable, Callable
from typing import Any

from bench.fixture import Fixture

from . import (
    baseline,
    costs,
    delivery,
    growth,
    likes,
    mix,
    page,
    replicas,
    search,
    stream,
    threads,
    waits,
)

Scenario = Callable[[Fixture], Awaitable[Any]]

SCENARIOS: dict[str, Scenario] = {
    **costs.SCENARIOS,
    "waits": waits.measure,
    "baseline": baseline.measure,
    "page": page.measure,
    "mix": mix.measure,
    "delivery": delivery.measure,
    "own-writes": delivery.own_writes,
    "stream": stream.measure,
    "followers": likes.measure,
    "threads": threads.measure,
    "likes": growth.likes,
    "followed": growth.followed,
    "tweets": growth.tweets,
    "search": search.measure,
    "replicas": replicas.measure,
}
"""In the order of running: last those that fill the tables or restart programs."""
