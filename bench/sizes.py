"""How much is measured: FULL for published figures, QUICK for a trial of the benchmark itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The defaults are those of published figures."""

    rounds: int = 3
    """Rounds per figure; the median is reported."""
    reads: int = 6000
    """Requests per round; likewise below. A round takes about a second or more: in a shorter one,
    the first requests after a pause count too much, which cost more."""
    rebuilds: int = 1000
    writes: int = 1500
    paced_seconds: float = 3
    rest_seconds: float = 80
    """Longer than connections to PostgreSQL stay open that nobody uses (docs/adr/0049)."""
    open_seconds: float = 10
    mix_seconds: float = 30
    posts_a_second: int = 50
    own_writes: int = 400
    tweets: int = 20_000
    """In the feed, unless the scenario varies their number."""
    growth_tweets: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    growth_followed: tuple[int, ...] = (10, 100, 1_000)
    growth_followers: tuple[int, ...] = (10, 1_000, 50_000)
    growth_reads: int = 300
    streams: int = 2_000
    restart_seconds: float = 15


FULL = Sizes()
QUICK = Sizes(
    rounds=2,
    reads=100,
    rebuilds=40,
    writes=30,
    paced_seconds=1,
    rest_seconds=1,
    open_seconds=2,
    mix_seconds=4,
    posts_a_second=10,
    own_writes=20,
    tweets=2_000,
    growth_tweets=(1_000, 3_000),
    growth_followed=(10, 100),
    growth_followers=(10, 2_000),
    growth_reads=30,
    streams=200,
    restart_seconds=15,
)
