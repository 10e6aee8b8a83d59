"""Requests that wait until a replica of a service has room for them, and which of them are refused.

A replica gets a limited number of requests at once (`http1.client`). The others wait here in the
order of their arrival, so that a burst is answered and not refused. In a lasting overload every
response would come late. So after a second in which the queue was never empty for longer than a
moment, only those requests may wait that are expected to leave the queue within a tenth of a
second, and all others are refused at once.

This is CoDel (controlled delay, RFC 8289) as Facebook simplified it for servers (Ben Maurer, "Fail
at Scale", ACM Queue 13(8)). Times are those of `time.monotonic`. See docs/adr/0045.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from typing import NamedTuple

MAX_WAIT_SECONDS = 1.5
"""Longer than a burst may keep the queue busy, because machines are slower at times."""
BURST_SECONDS = 1.0
"""How long the queue may be busy before it refuses requests."""
STANDING_SECONDS = 0.1
"""How long requests wait in a lasting overload, and how long the queue is empty when it is over."""


class QueueFull(Exception):
    """The request would wait, or has waited, for too long."""


class _Waiting(NamedTuple):
    since: float
    position: int
    admitted: asyncio.Future[None]


class AdmissionQueue:
    """The queue of one service."""

    def __init__(self, room: Callable[[], int]) -> None:
        """`room` returns how many more requests the replicas may get."""
        self._room = room
        self._waiting: deque[_Waiting] = deque()
        self._admitted = 0
        """Requests that may be sent, and that `room` does not count yet."""
        self._busy_since = -inf
        """When a request had to wait after the queue had been empty for a while."""
        self._empty_since = -inf
        self._seconds_per_admission = 0.0
        self._last_admission_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no request waits. While one does, call `admit` after each response."""
        return not self._waiting

    def has_room(self) -> bool:
        """Whether a request may be sent at once."""
        return not self._waiting and self._room() > self._admitted

    def is_closed(self, now: float) -> bool:
        """Whether `wait` would refuse a request."""
        if not self._waiting or now < self._busy_since + BURST_SECONDS:
            return False
        expected = len(self._waiting) * self._seconds_per_admission
        # A service that has stopped answering has no pace.
        standstill = now - max(self._last_admission_at, self._waiting[0].since)
        return max(expected, standstill) > STANDING_SECONDS

    async def wait(self, now: float) -> None:
        """Returns when the request may be sent. Raises QueueFull."""
        if self.is_closed(now):
            raise QueueFull
        if not self._waiting and now >= self._empty_since + STANDING_SECONDS:
            self._busy_since = now
        admitted = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(now, len(self._waiting) + 1, admitted))
        self._start_timer(now)
        try:
            await admitted
        finally:
            if not admitted.cancelled() and admitted.exception() is None:
                self._admitted -= 1

    def admit(self, now: float) -> None:
        """Lets as many requests go on as the replicas have room for."""
        while self._waiting and self._room() > self._admitted:
            first = self._waiting.popleft()
            if not first.admitted.done():
                first.admitted.set_result(None)
                self._admitted += 1
                self._seconds_per_admission = (now - first.since) / first.position
                self._last_admission_at = now
        if not self._waiting:
            self._empty_since = now

    def expire(self, now: float) -> None:
        """Refuses the requests that have waited for too long."""
        while self._waiting and self._waiting[0].since + MAX_WAIT_SECONDS <= now:
            first = self._waiting.popleft()
            if not first.admitted.done():
                first.admitted.set_exception(QueueFull())
                self._empty_since = now
        self._start_timer(now)

    def _start_timer(self, now: float) -> None:
        """The first request in the queue is always the one whose time is over first."""
        if self._timer is None and self._waiting:
            seconds = self._waiting[0].since + MAX_WAIT_SECONDS - now
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.expire(asyncio.get_running_loop().time())
