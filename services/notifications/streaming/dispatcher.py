"""Sends the notices of the log to the open streams.

A stream is an open response with Server-Sent Events (`chassis.http.event_stream`). To go on after
an interruption, it needs nothing but the position of the last notice that it got: the `id` of its
events.

*Live.* A trigger notifies the process of new notices. The dispatcher then reads the notices after
its position, finds the streams of the people whom each concerns, and sends them.

*Resuming.* A client that comes back names its position. Clients that come back at the same time, as
after a restart, are served together: they form an audience of their own, for which the log is read
from the smallest of their positions on. When this audience has arrived at the position of the live
one, it is absorbed, between two batches of the live one. So each stream gets each notice once. A
client whose position the log no longer has, or that has missed very many notices, gets `resync`
instead: its page reads everything again, and the stream goes on from now.

While the database is away, the streams stay open and the position stays. The log has what happens
meanwhile.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import Counter, Gauge, Histogram

from chassis.database import listen_notify
from chassis.database.pool import Pool
from chassis.database.session import Database
from chassis.http import event_stream
from chassis.http.errors import ServiceUnavailable

from . import notices
from .connections import Audience, Connection, Interests

BATCH = 200
"""Notices that are read and sent at once. One stream gets less than 64 KiB from a batch, because
one that has more unsent is taken for slow."""
GATHER_SECONDS = 0.01
"""How long the dispatcher waits after a batch, so that the next one has several notices."""
MAX_MISSED = 50_000
"""A client that has missed more notices, of whomever, gets `resync`."""
MAX_STREAMS_PER_PERSON = 10
_SENDS_PER_TURN = 2_000
"""After so many messages, other work of the process has a turn."""
_WAIT_FOR_LIVE_SECONDS = 0.005

STREAMS = Gauge("warble_stream_connections", "Open streams.")
RESUMING = Gauge("warble_stream_resuming", "Streams that are catching up from the log.")
SENT = Counter("warble_stream_notices_total", "Notices that were sent to streams.", ["kind"])
RESYNCS = Counter("warble_stream_resyncs_total", "Clients that had missed too much to resume.")
LAG = Histogram(
    "warble_stream_lag_seconds",
    "Time from the change until a notice was sent to the live streams.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
POSITION = Gauge("warble_stream_position", "The position up to which the live streams are served.")
LISTENING = Gauge("warble_stream_listening", "1 while PostgreSQL notifies this process.")

log = structlog.get_logger()


class Dispatcher:
    def __init__(self, database: Database, connections: Pool) -> None:
        self._database = database
        self._fetch = connections.fetch
        self._live = Audience()
        self._is_started = False
        self._is_reading = False
        """Whether a batch for the live audience is on its way: nobody may join meanwhile."""
        self._notified = asyncio.Event()
        self._must_check_position = True
        self._streams: dict[str, Connection] = {}
        """By token, the oldest first."""
        self._streams_of: dict[int, int] = {}
        """How many streams each person has."""
        self._resuming: set[Connection] = set()
        """Streams that wait to catch up."""
        self._wanted_counts: dict[Connection, frozenset[int]] = {}
        """Tweets in which a stream has become interested, and whose counts it has not got yet."""
        self._sent_in_turn = 0
        self._joined = 0
        self._arrived = asyncio.Event()
        """Set when `_resuming` or `_wanted_counts` gets an entry: wakes `admit`."""

    # The streams.

    @property
    def position(self) -> int:
        """The position from which a new stream goes on. Raises ServiceUnavailable until it has been
        read from the database."""
        if not self._is_started:
            raise ServiceUnavailable
        return self._live.position

    @property
    def stream_count(self) -> int:
        return len(self._streams)

    def join(self, connection: Connection) -> None:
        """From now on the stream gets all notices after its position."""
        self._close_oldest(connection.user_id)
        self._streams[connection.token] = connection
        self._streams_of[connection.user_id] = self._streams_of.get(connection.user_id, 0) + 1
        STREAMS.set(len(self._streams))
        self._joined += 1
        connection.turn = self._joined % event_stream.HEARTBEAT_SECONDS
        if connection.position == self._live.position and not self._is_reading:
            self._live.add(connection)
        else:
            self._resuming.add(connection)
            self._arrived.set()
        self._want_counts(connection, connection.interests.tweets)

    def leave(self, connection: Connection) -> None:
        del self._streams[connection.token]
        remaining = self._streams_of.pop(connection.user_id) - 1
        if remaining:
            self._streams_of[connection.user_id] = remaining
        STREAMS.set(len(self._streams))
        self._resuming.discard(connection)
        self._wanted_counts.pop(connection, None)
        if connection.audience is not None:
            connection.audience.remove(connection)

    def _close_oldest(self, user_id: int) -> None:
        if self._streams_of.get(user_id, 0) < MAX_STREAMS_PER_PERSON:
            return
        for connection in self._streams.values():
            if connection.user_id == user_id and not connection.closed:
                connection.finish("replaced")
                return

    def _want_counts(self, connection: Connection, tweets: frozenset[int]) -> None:
        if tweets:
            self._wanted_counts[connection] = self._wanted_counts.get(connection, tweets) | tweets
            self._arrived.set()

    def set_interests(self, token: str, user_id: int, interests: Interests) -> None:
        """Replaces the interests of a stream, if it is one of this process and of this person."""
        connection = self._streams.get(token)
        if connection is None or connection.user_id != user_id:
            return
        new_tweets = interests.tweets - connection.interests.tweets
        if connection.audience is None:
            connection.interests = interests
        else:
            connection.audience.set_interests(connection, interests)
        self._want_counts(connection, new_tweets)

    async def drain(self) -> None:
        """Closes all streams, because the process stops."""
        await event_stream.spread_over(
            self._streams.values(),
            lambda connection: connection.finish("draining"),
            event_stream.CLOSING_SECONDS,
        )

    # The loops of the process. Each runs until it is cancelled, or raises.

    async def listen(self) -> None:
        schema = self._database.service
        handlers = {f"{schema}_notices": self._on_notices, f"{schema}_watching": self._on_watching}
        await listen_notify.listen(self._database, handlers, self._set_listening)

    def _set_listening(self, is_listening: bool) -> None:
        LISTENING.set(is_listening)
        if is_listening:
            # Whatever was notified before this moment did not reach this process.
            self._must_check_position = True
            self._notified.set()

    def _on_notices(self, _payload: str) -> None:
        self._notified.set()

    def _on_watching(self, payload: str) -> None:
        watching = json.loads(payload)
        interests = Interests(
            frozenset(watching["tweets"]), frozenset(watching["threads"]), watching["everyone"]
        )
        self.set_interests(watching["stream"], watching["user_id"], interests)

    async def dispatch(self) -> None:
        """Sends new notices to the live audience."""
        while True:
            self._notified.clear()
            if self._must_check_position:
                await self._check_position()
            while await self._advance_live() == BATCH:
                pass
            await asyncio.sleep(GATHER_SECONDS)
            await self._notified.wait()

    async def _check_position(self) -> None:
        """Sets the position at the start. Later, the log may have lost notices that were sent: a
        standby has become primary, or a backup was restored."""
        _, last = await notices.log_range(self._fetch)
        if not self._is_started:
            self._live.position = last
        elif last < self._live.position:
            log.warning("stream.log_went_back", position=self._live.position, last=last)
            self._live.position = last
            for connection in self._live.connections():
                self._resync(connection)
        self._must_check_position = False
        self._is_started = True

    async def _advance_live(self) -> int:
        self._is_reading = True
        try:
            found = await notices.read(self._fetch, self._live.position, BATCH, self._live)
            for notice in found:
                await self._send(notice, self._live)
                LAG.observe(notice.age)
            POSITION.set(self._live.position)
            return len(found)
        finally:
            self._is_reading = False

    async def _send(self, notice: notices.Notice, audience: Audience) -> None:
        """Writes to all receivers without an `await` in between. Otherwise a heartbeat could name
        an older position than the notice that the stream has got."""
        receivers = notice.receivers(audience)
        sent = 0
        if notice.message is not None:
            for connection in tuple(receivers):
                if connection.position < notice.position:
                    sent += connection.deliver(notice.message)
        audience.position = notice.position
        if sent:
            SENT.labels(notice.kind).inc(sent)
        self._sent_in_turn += sent
        if self._sent_in_turn > _SENDS_PER_TURN:
            self._sent_in_turn = 0
            await asyncio.sleep(0)

    async def admit(self) -> None:
        """Brings streams that resume to the live audience, and sends counts that were asked for."""
        while True:
            self._arrived.clear()
            if self._resuming:
                await self._catch_up()
            if self._wanted_counts:
                await self._send_counts()
            await self._arrived.wait()

    async def _catch_up(self) -> None:
        audience = Audience()
        try:
            first, last = await notices.log_range(self._fetch)
            for connection in self._resuming:
                missed = last - connection.position
                if connection.position + 1 < first or not 0 <= missed <= MAX_MISSED:
                    self._resync(connection)
                audience.add(connection)
            self._resuming.clear()
            with _counted(audience):
                await self._read_up(audience)
        finally:
            # If the database has failed, the others try again from where they are.
            for connection in audience.connections():
                connection.position = max(connection.position, audience.position)
                audience.remove(connection)
                self._resuming.add(connection)
            if self._resuming:
                self._arrived.set()

    def _resync(self, connection: Connection) -> None:
        connection.position = self._live.position
        connection.deliver(notices.event(connection.position, "resync", {}))
        RESYNCS.inc()

    async def _read_up(self, audience: Audience) -> None:
        """Sends the notices that the audience lacks until the live audience can absorb it."""
        positions = [connection.position for connection in audience.connections()]
        audience.position = min(positions, default=self._live.position)
        # Another process may have served a client up to a position that this one has yet to reach.
        newest = max(positions, default=0)
        while True:
            live_position = self._live.position
            if audience.position < live_position:
                found = await notices.read(self._fetch, audience.position, BATCH, audience)
                for notice in found:
                    if notice.position <= self._live.position:
                        await self._send(notice, audience)
                if len(found) < BATCH:
                    # The log may lack positions, because an erasure deletes a person's notices.
                    audience.position = max(audience.position, live_position)
            elif newest <= live_position and not self._is_reading:
                self._live.absorb(audience)
                return
            else:
                await asyncio.sleep(_WAIT_FOR_LIVE_SECONDS)

    async def _send_counts(self) -> None:
        wanted = {
            connection: tweets
            for connection, tweets in self._wanted_counts.items()
            if connection.audience is self._live
        }
        for connection in wanted:
            del self._wanted_counts[connection]
        try:
            numbers = await notices.counts(self._fetch, list(set().union(*wanted.values())))
        except BaseException:
            for connection, tweets in wanted.items():
                if connection.token in self._streams:
                    self._want_counts(connection, tweets)
            raise
        position = self._live.position
        messages = {
            tweet: notices.event(position, "counts", data) for tweet, data in numbers.items()
        }
        for connection, tweets in wanted.items():
            for tweet in tweets & messages.keys():
                connection.deliver(messages[tweet])

    async def beat(self) -> None:
        """Sends each stream a sign of life every HEARTBEAT_SECONDS: to some of them each second."""
        while True:
            for turn in range(event_stream.HEARTBEAT_SECONDS):
                message = notices.heartbeat(self._live.position)
                for connection in self._live.connections():
                    if connection.turn == turn:
                        connection.deliver(message)
                for connection in self._resuming:
                    if connection.turn == turn:
                        connection.deliver(notices.COMMENT)
                await asyncio.sleep(1)


@contextmanager
def _counted(audience: Audience) -> Iterator[None]:
    RESUMING.set(len(audience.connections()))
    try:
        yield
    finally:
        RESUMING.set(0)
