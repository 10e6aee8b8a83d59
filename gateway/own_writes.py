"""Which events a person's next read has to know of: those of the person's own last writes."""

import time
from collections import OrderedDict
from collections.abc import Iterable

from chassis.events import EventId

from .settings import SERVICES

COOKIE = "warble_after"
SECONDS = 10
REMEMBERED = 16
_PEOPLE = 50_000


def parse(text: str) -> list[EventId]:
    """The event ids of a list; what is none is passed over, since anyone may write the list."""
    found = []
    for name in text.split(",", REMEMBERED)[:REMEMBERED]:
        try:
            event = EventId.parse(name.strip())
        except ValueError:
            continue
        if event.source in SERVICES:
            found.append(event)
    return found


def cookie(events: str, *, by_https: bool) -> str:
    secure = "; Secure" if by_https else ""
    return f"{COOKIE}={events}; Max-Age={SECONDS}; Path=/api; HttpOnly; SameSite=Strict{secure}"


class OwnWrites:
    def __init__(self) -> None:
        self._people: OrderedDict[int, tuple[float, list[EventId]]] = OrderedDict()

    def remember(self, user_id: int, events: str) -> None:
        written = self._recent(user_id) + parse(events)
        self._people[user_id] = (time.monotonic() + SECONDS, _newest(written))
        self._people.move_to_end(user_id)
        if len(self._people) > _PEOPLE:
            self._people.popitem(last=False)

    def before(self, user_id: int, handed_back: str) -> str:
        """What to name in this person's read; `handed_back` came with it, by header or cookie."""
        if not handed_back:
            return _written(self._recent(user_id))
        return _written(_newest(self._recent(user_id) + parse(handed_back)))

    def _recent(self, user_id: int) -> list[EventId]:
        until, events = self._people.get(user_id, (0.0, []))
        return events if until > time.monotonic() else []


def _newest(events: Iterable[EventId]) -> list[EventId]:
    return list(dict.fromkeys(events))[-REMEMBERED:]


def _written(events: Iterable[EventId]) -> str:
    return ",".join(map(str, events))
