"""What is measured, part by part, each by itself: `make bench ONLY=post,mix` runs some of them."""

from collections.abc import Awaitable, Callable
from typing import Any

from bench.scene import Scene

from . import costs, delivery, floor, growth, likes, mix, profile, replicas, waits

Part = Callable[[Scene], Awaitable[Any]]

PARTS: dict[str, Part] = {
    **costs.PARTS,
    "waits": waits.measure,
    "floor": floor.measure,
    "profile": profile.measure,
    "mix": mix.measure,
    "delivery": delivery.measure,
    "own-writes": delivery.own_writes,
    "followers": likes.measure,
    "likes": growth.likes,
    "followed": growth.followed,
    "tweets": growth.tweets,
    "replicas": replicas.measure,
}
"""In the order in which they run: those that fill the tables with much, or restart parts, last."""
