"""The history of the load: every write that was sent, with its outcome as the client saw it.

A person sends one call at a time, and only the author changes a tweet, only the liker a like, only
the follower a follow, only the moderator whether a tweet is hidden. So the expected final state
follows from the history alone. The exceptions are writes with the outcome `unknown`: they may have
happened, and may even happen later. The load does not touch such a tweet, like, follow, pin,
confirmation or hiding again, and the checker accepts both states.
"""

import secrets
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
    """A person of the load."""

    id: int
    name: str
    """No other person's name and no tweet of others contains it."""
    key: str = field(repr=False)
    erased: bool = False
    """True as soon as the erasure is requested."""
    away: bool = False
    """True from the moment the deactivation is requested until the person has been brought back."""
    was_away: bool = False
    """True as soon as a deactivation is requested. It stays true."""


@dataclass
class Mark:
    """The expected state of a like, a follow, a pin, a confirmation, or of whether a tweet is
    hidden; unknown if not `sure`."""

    set: bool = False
    sure: bool = True

    def record(self, wanted: bool, outcome: Outcome) -> None:
        if outcome is Outcome.done:
            self.set = wanted
        elif outcome is Outcome.unknown and self.set != wanted:
            self.sure = False


@dataclass
class Tweet:
    author: Author
    content: str
    """Unique, so that a tweet whose response was lost can be recognised."""
    media_ids: list[int]
    posted: Outcome
    id: int | None = None
    deletion: Outcome | None = None
    """None until the deletion is requested; `unknown` while the request is in progress."""
    paths: list[str] = field(default_factory=list)
    """URL paths of its pictures, as the API showed them."""
    parent: "Tweet | None" = None
    """The tweet to which this one replies."""
    pinned: Mark = field(default_factory=Mark)
    hidden: Mark = field(default_factory=Mark)
    """Not `sure` while a request of the moderator is in progress."""
    decisions: int | None = 0
    """How often the moderator has hidden and restored it, and the author was notified. None if an
    outcome is unknown."""
    was_hidden: bool = False
    """True as soon as the moderator requests to hide it. It stays true."""

    @property
    def exists(self) -> bool:
        """Whether it certainly exists, but maybe nobody sees it."""
        return self.posted is Outcome.done and self.deletion is None and not self.author.erased

    @property
    def certain(self) -> bool:
        """Whether it certainly exists, and everybody sees it as soon as all events are handled."""
        is_shown = self.hidden.sure and not self.hidden.set
        return self.exists and is_shown and not self.author.away

    @property
    def steady(self) -> bool:
        """Whether every read since it was acknowledged must show it. A read may still miss a tweet
        that was restored, or whose author has come back, because their events may be on their
        way."""
        return self.certain and not self.was_hidden and not self.author.was_away

    @property
    def possible(self) -> bool:
        gone = self.posted is Outcome.refused or self.deletion is Outcome.done
        return not gone and not self.author.erased


@dataclass
class Upload:
    owner: Author
    id: int
    taken: bool = False
    """Whether a tweet that was not refused refers to it."""


class History:
    def __init__(self, people: list[Author], moderator: Author | None = None) -> None:
        self.people = people
        """Without those who are erased or away."""
        self.moderator = moderator
        """The one of the people who moderates and announces, if there is one."""
        self.erased: list[Author] = []
        self.away: list[Author] = []
        """Those who are deactivated."""
        self.tag = f"load{secrets.token_hex(4)}"
        """A hashtag that all tweets of the load have."""
        self.tweets: dict[str, Tweet] = {}
        """By content."""
        self.likes: dict[tuple[int, int], Mark] = {}
        """By the ids of the liker and of the tweet."""
        self.follows: dict[tuple[int, int], Mark] = {}
        """By the ids of the follower and of the followed person."""
        self.announcements: list[Tweet] = []
        self.confirmations: dict[tuple[int, int], Mark] = {}
        """By the ids of the person who confirms and of the announcement."""
        self.seen: dict[int, int] = {}
        """The `seq` up to which a person has seen the notifications, by the person's id."""
        self.uploads: list[Upload] = []
        self.writes: Counter[Outcome] = Counter()
        self.reads = 0
        self.failures: list[str] = []
        """Calls without a response or with a status of 500 and above, as sentences."""
        self.busy = 0
        """Uploads that were refused because too many others waited to be decoded."""
        self.stale = 0
        """Reads whose header `warble-stale` says that the reader's own writes may be missing."""
        self.slowest = 0.0
        """The longest time that a call took, in seconds."""
        self.notes: list[str] = []
        """Measurements that are printed with the row."""
        self.wrong: list[str] = []
        """Violations that the load itself noticed, as sentences."""

    @contextmanager
    def unfailing(
        self, while_: str, but: Callable[[str], bool] = lambda _: False
    ) -> Iterator[None]:
        """Requires that no call fails inside the `with` block, and that some write succeeds.

        `while_` describes the block in a finding. `but` returns whether a failure is allowed.
        """
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

    def confirmation(self, person: int, announcement: int) -> Mark:
        return self.confirmations.setdefault((person, announcement), Mark())

    def ordinary(self) -> list[Author]:
        """The people without the moderator."""
        return [author for author in self.people if author is not self.moderator]

    def deactivate(self, author: Author) -> None:
        """From now on the person's calls may be refused and the tweets be missing."""
        author.away = author.was_away = True
        self.people.remove(author)
        self.away.append(author)

    def bring_back(self, author: Author, key: str) -> None:
        author.key = key
        author.away = False
        self.away.remove(author)
        self.people.append(author)

    def erase(self, author: Author) -> None:
        """From now on the person's data may be missing; at the end it must be."""
        author.erased = True
        self.people.remove(author)
        self.erased.append(author)

    def pictures_of(self, author: Author) -> list[str]:
        """The paths of the author's pictures that the API showed."""
        tweets = (tweet for tweet in self.tweets.values() if tweet.author is author)
        return [path for tweet in tweets for path in tweet.paths]

    def known_tweets(self) -> list[Tweet]:
        """Tweets that certainly exist, so that a person may like them."""
        return [tweet for tweet in self.tweets.values() if tweet.certain]
