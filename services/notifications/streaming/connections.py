"""The open streams of a process, and the indexes by which a notice finds its receivers."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Self

from prometheus_client import Counter
from starlette.types import Message, Send

from chassis.http import event_stream

MAX_TWEETS = 100
MAX_THREADS = 10
"""How many tweets and threads on the screen of its reader a stream may follow."""

CLOSED = Counter(
    "warble_stream_closed_total", "Streams that were closed, by reason or by whom.", ["reason"]
)


@dataclass(frozen=True, slots=True)
class Interests:
    """What a page shows: the stream delivers its changes beside those that its reader follows."""

    tweets: frozenset[int] = frozenset()
    """Tweets whose counts are on the screen."""
    threads: frozenset[int] = frozenset()
    """Roots of threads that are on the screen."""
    everyone: bool = False
    """Whether the page shows the feed of everyone's tweets."""


NOTHING = Interests()


class Connection:
    """One open stream."""

    __slots__ = (
        "_send",
        "_task",
        "audience",
        "closed",
        "interests",
        "position",
        "token",
        "turn",
        "user_id",
    )

    def __init__(self, user_id: int, send: Send, position: int, interests: Interests) -> None:
        self.user_id = user_id
        self.token = secrets.token_urlsafe(16)
        """The name of this stream, with which its page changes the interests."""
        self.position = position
        """The stream gets what comes after this position. In an audience whose own position is
        larger, that one counts."""
        self.interests = interests
        self.audience: Audience | None = None
        self.turn = 0
        """The second in which the stream gets its heartbeat."""
        self.closed = ""
        """The reason, if the server closes the stream."""
        self._send = send
        self._task = asyncio.current_task()

    def deliver(self, message: Message) -> bool:
        """Sends the message, or closes the stream if its client does not read what was sent."""
        if self.closed:
            return False
        if event_stream.send_now(self._send, message):
            return True
        self._cut_off("slow")
        return False

    def finish(self, reason: str) -> None:
        """Ends the stream in order. Its client comes back a random time later."""
        if self.deliver(event_stream.chunk(event_stream.retry())):
            self.closed = reason
            # The end of the response wakes the coroutine that waits for the client to disconnect.
            if not event_stream.send_now(self._send, event_stream.LAST_CHUNK):
                self._cut_off(reason)

    def _cut_off(self, reason: str) -> None:
        self.closed = reason
        if self._task is not None:
            self._task.cancel()


class Audience:
    """Connections that have got everything up to the same position, with indexes."""

    def __init__(self) -> None:
        self.position = 0
        self.people: defaultdict[int, set[Connection]] = defaultdict(set)
        self._tweets: defaultdict[int, set[Connection]] = defaultdict(set)
        self._threads: defaultdict[int, set[Connection]] = defaultdict(set)
        self._everyone: set[Connection] = set()

    def add(self, connection: Connection) -> None:
        connection.audience = self
        self.people[connection.user_id].add(connection)
        self._index(connection)

    def remove(self, connection: Connection) -> None:
        connection.audience = None
        _discard(self.people, (connection.user_id,), connection)
        self._remove_from_index(connection)

    def set_interests(self, connection: Connection, interests: Interests) -> None:
        """Replaces what the connection is interested in."""
        self._remove_from_index(connection)
        connection.interests = interests
        self._index(connection)

    def tweets_of_interest(self, tweets: Iterable[int]) -> list[int]:
        return [tweet for tweet in tweets if tweet in self._tweets]

    def interested_in(self, tweet_id: int) -> Collection[Connection]:
        return self._tweets.get(tweet_id, ())

    def of_people(self, people: Iterable[int]) -> set[Connection]:
        return {found for person in people for found in self.people.get(person, ())}

    def receivers(
        self, people: Iterable[int], tweet_id: int, root_id: int | None
    ) -> set[Connection]:
        """Who gets a tweet's notice: these people, and those who look at it or its thread."""
        found = self.of_people(people)
        found.update(self._everyone, self.interested_in(tweet_id))
        found.update(self._threads.get(tweet_id if root_id is None else root_id, ()))
        return found

    def connections(self) -> list[Connection]:
        return [connection for person in self.people.values() for connection in person]

    def absorb(self, other: Self) -> None:
        """Moves the connections of another audience here."""
        for connection in other.connections():
            other.remove(connection)
            self.add(connection)

    def _index(self, connection: Connection) -> None:
        interests = connection.interests
        for tweet in interests.tweets:
            self._tweets[tweet].add(connection)
        for thread in interests.threads:
            self._threads[thread].add(connection)
        if interests.everyone:
            self._everyone.add(connection)

    def _remove_from_index(self, connection: Connection) -> None:
        _discard(self._tweets, connection.interests.tweets, connection)
        _discard(self._threads, connection.interests.threads, connection)
        self._everyone.discard(connection)


def _discard(
    index: defaultdict[int, set[Connection]], keys: Iterable[int], connection: Connection
) -> None:
    for key in keys:
        if found := index.get(key):
            found.discard(connection)
            if not found:
                del index[key]
