"""What is known from outside: every write that was sent, with what its author was told of it.

A person's calls come one after the other, and nobody but the author, liker or follower touches what
is theirs. So what must be there in the end is known, but for the writes that got no answer: those
may have happened or not, and are left alone from then on, since they may still happen later.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum, auto


class Outcome(StrEnum):
    done = auto()
    refused = auto()
    unknown = auto()


@dataclass(eq=False)
class Author:
    """A person of the load's, by what the API knows them."""

    id: int
    name: str
    """No other person's name or tweet has it within."""
    key: str = field(repr=False)
    erased: bool = False
    """Or about to be."""


@dataclass
class Mark:
    """A like or a follow."""

    set: bool = False
    sure: bool = True

    def told(self, wanted: bool, outcome: Outcome) -> None:
        if outcome is Outcome.done:
            self.set = wanted
        elif outcome is Outcome.unknown and self.set != wanted:
            self.sure = False


@dataclass
class Tweet:
    author: Author
    content: str
    """No other tweet has it: where the answer was lost, it tells whose tweet was found."""
    media_ids: list[int]
    posted: Outcome
    id: int | None = None
    deletion: Outcome | None = None
    """None before anybody asked for it. One that is under way is unknown."""
    paths: list[str] = field(default_factory=list)
    """Where its pictures were seen."""

    @property
    def certain(self) -> bool:
        return self.posted is Outcome.done and self.deletion is None and not self.author.erased

    @property
    def possible(self) -> bool:
        gone = self.posted is Outcome.refused or self.deletion is Outcome.done
        return not gone and not self.author.erased


@dataclass
class Upload:
    owner: Author
    id: int
    taken: bool = False
    """A tweet named it, whatever became of that."""


class History:
    def __init__(self, people: list[Author]) -> None:
        self.people = people
        """Whoever is erased is none of them any more."""
        self.erased: list[Author] = []
        self.tweets: dict[str, Tweet] = {}
        """By content."""
        self.likes: dict[tuple[int, int], Mark] = {}
        """By who likes and the tweet's id."""
        self.follows: dict[tuple[int, int], Mark] = {}
        """By who follows and whom."""
        self.uploads: list[Upload] = []
        self.writes: Counter[Outcome] = Counter()
        self.reads = 0
        self.failures: list[str] = []
        """Calls that were not answered, or by an error of the system's own, in words."""
        self.busy = 0
        """Pictures that were refused since too many others were waiting to be decoded."""
        self.stale = 0
        """Reads that said of themselves that they miss the reader's own writes."""
        self.slowest = 0.0
        """Seconds that somebody waited for an answer or an error."""
        self.notes: list[str] = []
        """Figures that go with the row."""
        self.wrong: list[str] = []
        """What was seen and must not be, in words."""

    @contextmanager
    def unfailing(
        self, while_: str, but: Callable[[str], bool] = lambda _: False
    ) -> Iterator[None]:
        """Every call that ends within is served, and some do; `but` tells of a failed one, in
        words, whether it may fail."""
        failures, done = len(self.failures), self.writes[Outcome.done]
        yield
        if failed := [failure for failure in self.failures[failures:] if not but(failure)]:
            self.wrong.append(f"{len(failed)} calls failed {while_}, such as {failed[0]}")
        if self.writes[Outcome.done] == done:
            self.wrong.append(f"nothing was written {while_}")

    def like(self, person: int, tweet: int) -> Mark:
        return self.likes.setdefault((person, tweet), Mark())

    def follow(self, follower: int, followed: int) -> Mark:
        return self.follows.setdefault((follower, followed), Mark())

    def erase(self, author: Author) -> None:
        """From now on nothing of theirs has to be there; at the end, nothing may be."""
        author.erased = True
        self.people.remove(author)
        self.erased.append(author)

    def pictures_of(self, author: Author) -> list[str]:
        """Those that were seen."""
        tweets = (tweet for tweet in self.tweets.values() if tweet.author is author)
        return [path for tweet in tweets for path in tweet.paths]

    def known_tweets(self) -> list[Tweet]:
        """Those that a person may like: nobody has asked for their deletion."""
        return [tweet for tweet in self.tweets.values() if tweet.certain]
