"""How much is measured: FULL for published figures, QUICK for a trial of the benchmark itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    rounds: int
    """Rounds per figure; the median is reported."""
    reads: int
    """Requests per round; likewise below."""
    rebuilds: int
    writes: int
    rest_seconds: float
    open_seconds: float
    mix_seconds: float
    posts_a_second: int
    own_writes: int
    tweets: int
    """In the feed, unless the scenario varies their number."""
    growth_tweets: tuple[int, ...]
    growth_followed: tuple[int, ...]
    growth_likes: tuple[int, ...]
    growth_followers: tuple[int, ...]
    growth_reads: int
    replicas: tuple[int, ...]
    streams: int
    restart_seconds: float


FULL = Sizes(
    rounds=3,
    reads=2000,
    rebuilds=500,
    writes=300,
    rest_seconds=10,
    open_seconds=10,
    mix_seconds=30,
    posts_a_second=50,
    own_writes=400,
    tweets=20_000,
    growth_tweets=(10_000, 100_000, 1_000_000),
    growth_followed=(10, 100, 1_000),
    growth_likes=(10, 1_000, 10_000),
    growth_followers=(10, 1_000, 50_000),
    growth_reads=300,
    replicas=(1, 2, 3),
    streams=2_000,
    restart_seconds=25,
)
QUICK = Sizes(
    rounds=2,
    reads=100,
    rebuilds=40,
    writes=30,
    rest_seconds=1,
    open_seconds=2,
    mix_seconds=4,
    posts_a_second=10,
    own_writes=20,
    tweets=2_000,
    growth_tweets=(1_000, 3_000),
    growth_followed=(10, 100),
    growth_likes=(10, 300),
    growth_followers=(10, 2_000),
    growth_reads=30,
    replicas=(1, 2),
    streams=200,
    restart_seconds=15,
)
