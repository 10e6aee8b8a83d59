"""Decides everything that an import sends. The same file and options give the same plan."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random

from . import texts
from .edge_list import Graph

_TWEETS_PER_PICTURE = 4
_REPLY_SHARE = 0.3
"""The share of tweets that are replies to somebody whom the author follows."""
_MIN_REPLY_DISTANCE = 100
"""A reply answers a tweet that many places before it, which is posted by then."""
_EXPONENT = 0.75
"""The exponent of the Zipf-Mandelbrot law by which likes are distributed over tweets."""


@dataclass(frozen=True)
class Options:
    undirected: bool = False
    tweets: int = 20
    likes: int = 100_000
    seed: int = 1


@dataclass(frozen=True)
class Plan:
    """People and tweets have numbers from 0; the server assigns their ids later."""

    digest: str
    names: list[str]
    follows: list[tuple[int, int]]
    """(follower, followed)."""
    tweets: list[tuple[int, str]]
    """(author, text)."""
    parents: dict[int, int]
    """By the number of a reply, the number of the tweet above it."""
    with_picture: frozenset[int]
    """Numbers of tweets."""
    likes: list[tuple[int, int]]
    """(person, tweet)."""

    def picture_seed(self, tweet: int) -> str:
        return f"{self.digest}:picture:{tweet}"

    def draft_id(self, tweet: int) -> str:
        return f"{self.digest}:{tweet}"


def digest(file: Path, options: Options) -> str:
    """Identifies an import: it changes with the file and the options."""
    total = hashlib.sha256(file.read_bytes())
    total.update(repr(options).encode())
    total.update(b"with replies")
    return total.hexdigest()[:12]


def short_name(file: Path) -> str:
    return re.sub(r"[^\w-]+", "-", file.stem)[:20].strip("-_") or "graph"


def make(file: Path, graph: Graph, options: Options) -> Plan:
    plan_digest = digest(file, options)
    tag = short_name(file)
    number = {node: position for position, node in enumerate(graph.nodes)}
    randoms = {node: _random(plan_digest, f"person:{node}") for node in graph.nodes}
    names = [f"{texts.person_name(randoms[node])} {tag}-{node}" for node in graph.nodes]
    written = [texts.tweets(randoms[node], options.tweets) for node in graph.nodes]
    order = _random(plan_digest, "order")
    tweets: list[tuple[int, str]] = []
    for turn in range(options.tweets):
        authors = list(range(len(names)))
        order.shuffle(authors)
        tweets += [(author, written[author][turn]) for author in authors]
    with_picture = _random(plan_digest, "pictures").sample(
        range(len(tweets)), len(tweets) // _TWEETS_PER_PICTURE
    )
    follows = [(number[one], number[other]) for one, other in graph.follows]
    return Plan(
        plan_digest,
        names,
        follows,
        tweets,
        _parents(_random(plan_digest, "replies"), follows, [author for author, _ in tweets]),
        frozenset(with_picture),
        _likes(_random(plan_digest, "likes"), len(names), len(tweets), options.likes),
    )


def _random(plan_digest: str, purpose: str) -> Random:
    return Random(f"{plan_digest}:{purpose}")  # noqa: S311 (reproducible, not a secret)


def _parents(random: Random, follows: list[tuple[int, int]], authors: list[int]) -> dict[int, int]:
    """Some tweets reply to the latest or an earlier tweet of somebody whom their author follows."""
    followed: dict[int, list[int]] = {}
    for follower, other in follows:
        followed.setdefault(follower, []).append(other)
    parents = {}
    posted: dict[int, list[int]] = {}
    for tweet, author in enumerate(authors):
        if tweet >= _MIN_REPLY_DISTANCE:
            earlier = tweet - _MIN_REPLY_DISTANCE
            posted.setdefault(authors[earlier], []).append(earlier)
        others = [other for other in followed.get(author, ()) if other in posted]
        if others and random.random() < _REPLY_SHARE:
            own = posted[random.choice(others)]
            parents[tweet] = own[-1] if random.random() < 0.5 else random.choice(own)
    return parents


def _likes(random: Random, people: int, tweets: int, total: int) -> list[tuple[int, int]]:
    """Distinct pairs (person, tweet) in the order of sending. Few tweets get most of the likes."""
    ranking = list(range(tweets))
    random.shuffle(ranking)
    pairs = []
    for tweet, count in zip(ranking, _distribution(tweets, total, limit=people), strict=True):
        pairs += [(person, tweet) for person in random.sample(range(people), count)]
    random.shuffle(pairs)
    return pairs


def _distribution(ranks: int, total: int, limit: int) -> list[int]:
    """Splits `total` over the ranks by the Zipf-Mandelbrot law, with at most `limit` per rank."""
    remaining = min(total, limit * ranks)
    weights = [(rank + 5) ** -_EXPONENT for rank in range(ranks)]
    remaining_weight = sum(weights)
    counts = []
    for rank, weight in enumerate(weights):
        share = round(remaining * weight / remaining_weight) if rank < ranks - 1 else remaining
        # Never so few that the later ranks could not hold the rest.
        count = max(min(share, limit, remaining), remaining - limit * (ranks - rank - 1))
        counts.append(count)
        remaining -= count
        remaining_weight -= weight
    return counts
