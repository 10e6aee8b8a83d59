"""Who follows whom in the mix: socfb-Reed98, or a graph of its size where the file is absent."""

import os
import random
from dataclasses import dataclass
from pathlib import Path

from deploy.local.places import REPOSITORY
from deploy.seed import edges

_REED98 = REPOSITORY.parent / "shared" / "data" / "socfb-Reed98.edges"
_PEOPLE, _PAIRS = 962, 18_812


@dataclass(frozen=True)
class Company:
    """People by number from 0; `follows` are (follower, followed)."""

    name: str
    people: int
    follows: list[tuple[int, int]]

    def followers(self) -> list[list[int]]:
        """Of each person."""
        of: list[list[int]] = [[] for _ in range(self.people)]
        for follower, followed in self.follows:
            of[followed].append(follower)
        return of


def company() -> Company:
    """Raises edges.BadGraph, and OSError for a file that was named and is not there."""
    named = os.environ.get("GRAPH")
    path = Path(named) if named else _REED98
    if not named and not path.exists():
        return _generated()
    graph = edges.read(path, undirected=True)
    number = {node: place for place, node in enumerate(graph.nodes)}
    follows = [(number[one], number[other]) for one, other in graph.follows]
    return Company(f"{path.stem}, both ways", len(graph.nodes), follows)


def _generated() -> Company:
    """As many people and pairs, some with many and most with few: weights fall with the rank."""
    chance = random.Random(98)  # noqa: S311  a graph, nothing secret
    weights = [(person + 10) ** -0.6 for person in range(_PEOPLE)]
    pairs: set[tuple[int, int]] = set()
    while len(pairs) < _PAIRS:
        one, other = chance.choices(range(_PEOPLE), weights, k=2)
        if one != other:
            pairs.add((min(one, other), max(one, other)))
    follows = [pair for one, other in sorted(pairs) for pair in ((one, other), (other, one))]
    return Company("a generated graph of the size of socfb-Reed98", _PEOPLE, follows)
