"""The scenarios, which are independent of each other: `make bench ONLY=post,mix` runs two."""

from collections.abc import Awaitable, Callable
from typing import Any

from bench.fixture import Fixture

from . import costs, delivery, growth, likes, mix, page, search, stream, threads

Scenario = Callable[[Fixture], Awaitable[Any]]

SCENARIOS: dict[str, Scenario] = {
    **costs.SCENARIOS,
    "page": page.measure,
    "mix": mix.measure,
    "delivery": delivery.measure,
    "own-writes": delivery.own_writes,
    "stream": stream.measure,
    "followers": likes.measure,
    "threads": threads.measure,
    "followed": growth.followed,
    "tweets": growth.tweets,
    "search": search.measure,
}
"""In the order of running: last those that fill the tables or restart programs."""
