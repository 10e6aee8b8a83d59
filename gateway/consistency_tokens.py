"""Read your own writes: which events a person's next read of the feed has to include.

A service commits a write, and the feed applies its event a moment later. A read in between would
lack the person's own change. So the response of a write names its event in `warble-events`: the
service and the number of the event in its outbox, for example `tweets:31`. The gateway remembers
each person's last 16 events for 10 s and sends them in `warble-after` with every read of the feed.
The feed holds the read until it has applied them, for one second at most (docs/adr/0005).
Notifications gets them too: a person may mute the thread of a tweet that they have just posted. So
does users, which caches profiles.

The next read may reach another gateway, which remembers nothing. So the client gets the events too:
in the header, for scripts, and in the cookie `warble_after`, which browsers send back by
themselves. What a client sends back is not trusted: it is parsed, shortened to 16 events, and must
name a service that exists. A made-up event only makes its sender wait for a second.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable

from chassis.messaging.events import EventId
from chassis.messaging.own_writes_header import MAX_EVENTS

from .settings import SERVICES

COOKIE = "warble_after"
TTL_SECONDS = 10
_MAX_PEOPLE = 50_000


def parse(text: str) -> list[EventId]:
    """The event ids of a comma-separated list. Skips what is not one: anyone may send the list."""
    events = []
    for item in text.split(",", MAX_EVENTS)[:MAX_EVENTS]:
        try:
            event = EventId.parse(item.strip())
        except ValueError:
            continue
        if event.source in SERVICES:
            events.append(event)
    return events


def set_cookie_header(events: str, *, https: bool) -> str:
    secure = "; Secure" if https else ""
    return f"{COOKIE}={events}; Max-Age={TTL_SECONDS}; Path=/api; HttpOnly; SameSite=Strict{secure}"


class ConsistencyTokens:
    """The events of each person's last writes through this gateway."""

    def __init__(self) -> None:
        self._people: OrderedDict[int, tuple[float, list[EventId]]] = OrderedDict()

    def record(self, user_id: int, events: str) -> None:
        """`events` is the header `warble-events` of the response of a write."""
        recent = self._recent(user_id) + parse(events)
        self._people[user_id] = (time.monotonic() + TTL_SECONDS, _newest(recent))
        self._people.move_to_end(user_id)
        if len(self._people) > _MAX_PEOPLE:
            self._people.popitem(last=False)

    def for_read(self, user_id: int, sent_by_client: str) -> str:
        """The value of `warble-after`; empty if the person has written nothing lately."""
        if not sent_by_client:
            return _join(self._recent(user_id))
        return _join(_newest(self._recent(user_id) + parse(sent_by_client)))

    def _recent(self, user_id: int) -> list[EventId]:
        expires_at, events = self._people.get(user_id, (0.0, []))
        return events if expires_at > time.monotonic() else []


def _newest(events: Iterable[EventId]) -> list[EventId]:
    return list(dict.fromkeys(events))[-MAX_EVENTS:]


def _join(events: Iterable[EventId]) -> str:
    return ",".join(map(str, events))
