"""What an import sends, all of it decided beforehand: the same file and options, the same plan."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random

from . import texts
from .edges import Graph

_PICTURED = 4
"""One tweet in so many has a picture."""
_STEEPNESS = 0.75
"""The exponent of the law of Zipf and Mandelbrot that the likes follow."""


@dataclass(frozen=True)
class Options:
    undirected: bool = False
    tweets: int = 20
    likes: int = 100_000
    seed: int = 1


@dataclass(frozen=True)
class Plan:
    """People and tweets go by number, not by id: those the server gives."""

    digest: str
    names: list[str]
    follows: list[tuple[int, int]]
    """(follower, followed)."""
    tweets: list[tuple[int, str]]
    """(author, text)."""
    pictured: frozenset[int]
    likes: list[tuple[int, int]]
    """(person, tweet)."""

    def picture_seed(self, tweet: int) -> str:
        return f"{self.digest}:picture:{tweet}"

    def draft_id(self, tweet: int) -> str:
        return f"{self.digest}:{tweet}"


def digest(file: Path, options: Options) -> str:
    """What tells one import from another: a changed file or option is another one."""
    whole = hashlib.sha256(file.read_bytes())
    whole.update(repr(options).encode())
    return whole.hexdigest()[:12]


def short_name(file: Path) -> str:
    return re.sub(r"[^\w-]+", "-", file.stem)[:20].strip("-_") or "graph"


def make(file: Path, graph: Graph, options: Options) -> Plan:
    mark = digest(file, options)
    tag = short_name(file)
    number = {node: position for position, node in enumerate(graph.nodes)}
    chances = {node: _chance(mark, f"person:{node}") for node in graph.nodes}
    names = [f"{texts.person_name(chances[node])} {tag}-{node}" for node in graph.nodes]
    said = [texts.tweets(chances[node], options.tweets) for node in graph.nodes]
    order = _chance(mark, "order")
    tweets: list[tuple[int, str]] = []
    for turn in range(options.tweets):
        authors = list(range(len(names)))
        order.shuffle(authors)
        tweets += [(author, said[author][turn]) for author in authors]
    drawn = _chance(mark, "pictures").sample(range(len(tweets)), len(tweets) // _PICTURED)
    return Plan(
        mark,
        names,
        [(number[one], number[other]) for one, other in graph.follows],
        tweets,
        frozenset(drawn),
        _likes(_chance(mark, "likes"), len(names), len(tweets), options.likes),
    )


def _chance(mark: str, what: str) -> Random:
    return Random(f"{mark}:{what}")  # noqa: S311 (the same again on the next run, nothing secret)


def _likes(chance: Random, people: int, tweets: int, wanted: int) -> list[tuple[int, int]]:
    """Distinct pairs in the order of sending: few tweets have most of the likes."""
    ranking = list(range(tweets))
    chance.shuffle(ranking)
    pairs = []
    for tweet, count in zip(ranking, _shares(people, tweets, wanted), strict=True):
        pairs += [(person, tweet) for person in chance.sample(range(people), count)]
    chance.shuffle(pairs)
    return pairs


def _shares(most: int, places: int, wanted: int) -> list[int]:
    """`wanted` split over the ranks by Zipf's law, none above `most`: exactly that many."""
    left = min(wanted, most * places)
    weights = [(rank + 5) ** -_STEEPNESS for rank in range(places)]
    weight_left = sum(weights)
    shares = []
    for rank, weight in enumerate(weights):
        fair = round(left * weight / weight_left) if rank < places - 1 else left
        # What does not fit here any more goes on to the ranks behind, which can hold it.
        share = max(min(fair, most, left), left - most * (places - rank - 1))
        shares.append(share)
        left -= share
        weight_left -= weight
    return shares
