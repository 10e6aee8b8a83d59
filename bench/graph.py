"""The social graph of the mix: socfb-Reed98, or a generated one of that size without the file."""

import os
import random
from dataclasses import dataclass
from pathlib import Path

from devstack.repository import REPOSITORY
from tools.seed import edge_list

_REED98 = REPOSITORY.parent / "shared" / "data" / "socfb-Reed98.edges"
_PEOPLE, _PAIRS = 962, 18_812


@dataclass(frozen=True)
class Company:
    """People have numbers from 0; `follows` are pairs (follower, followed)."""

    name: str
    people: int
    follows: list[tuple[int, int]]

    def followers(self) -> list[list[int]]:
        """The followers of each person."""
        of: list[list[int]] = [[] for _ in range(self.people)]
        for follower, followed in self.follows:
            of[followed].append(follower)
        return of


def company() -> Company:
    """Reads the file in the variable GRAPH, if set. Raises edge_list.BadGraph and OSError."""
    named = os.environ.get("GRAPH")
    path = Path(named) if named else _REED98
    if not named and not path.exists():
        return _generated()
    graph = edge_list.read(path, undirected=True)
    number = {node: place for place, node in enumerate(graph.nodes)}
    follows = [(number[one], number[other]) for one, other in graph.follows]
    return Company(f"{path.stem}, both ways", len(graph.nodes), follows)


def _generated() -> Company:
    """With as many people and pairs, and a heavy-tailed degree distribution."""
    chance = random.Random(98)  # noqa: S311 (not a secret)
    weights = [(person + 10) ** -0.6 for person in range(_PEOPLE)]
    pairs: set[tuple[int, int]] = set()
    while len(pairs) < _PAIRS:
        one, other = chance.choices(range(_PEOPLE), weights, k=2)
        if one != other:
            pairs.add((min(one, other), max(one, other)))
    follows = [pair for one, other in sorted(pairs) for pair in ((one, other), (other, one))]
    return Company("a generated graph of the size of socfb-Reed98", _PEOPLE, follows)
