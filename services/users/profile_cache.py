"""The profiles and searches that this process has read lately, which PostgreSQL invalidates.

An entry is the whole response for one reader. It depends on the row of its person, on the latest
followers and followed people of that person, and on whether the reader is among them. Each change
of a follow changes the counts of both people in the same transaction, so a trigger on `person` sees
all of this (revision 0014). It notifies the person's id, and the entries of this person are
dropped. A change of a name, or of whether somebody is active, may concern every profile that lists
the person. Such changes are rare, so they drop all entries.

What a search finds depends on everybody, so every notification drops all searches. People repeat a
search within seconds: they delete letters while they type, or go back to the page with the results.

One race remains: a profile is read from the database, the profile changes, the notification arrives
and finds nothing to drop, and only then the old profile is stored. So the cache counts the
notifications. A caller takes this `version` before it reads and passes it to `put`, which stores
nothing if a later notification concerns the entry. While notifications are not received
(`connected` is False), `put` stores nothing at all. Thus an entry equals what a fresh read would
give, except for changes whose notification is on its way.
"""

from collections import OrderedDict, defaultdict, deque
from typing import NamedTuple

from chassis.http.etags import TaggedJson

_ENTRY_BYTES = 1_000
"""Approximate memory for an entry beside its body."""
_MAX_CHANGES = 10_000
"""How many of the latest changes are remembered."""
_EVERYBODY = 0
"""In place of a person: a change that concerns all profiles, or an entry that depends on all."""


class ProfileKey(NamedTuple):
    user_id: int
    reader_id: int
    rights: str = ""
    """For one's own profile, what one may do, as JSON: the response contains it."""


class SearchKey(NamedTuple):
    """The first page of a search for people."""

    query: str
    limit: int
    reader_id: int


Key = ProfileKey | SearchKey


class ProfileCache:
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Key, TaggedJson] = OrderedDict()
        self._keys_by_person: defaultdict[int, set[Key]] = defaultdict(set)
        self._changes: deque[int] = deque(maxlen=_MAX_CHANGES)
        self._version = 0
        self.connected = False
        """Whether this process receives notifications."""

    @property
    def version(self) -> int:
        """Take it before a read from the database, and pass it to `put`."""
        return self._version

    def get(self, key: Key) -> TaggedJson | None:
        """The entry becomes the last one to be evicted."""
        profile = self._entries.get(key)
        if profile is not None:
            self._entries.move_to_end(key)
        return profile

    def put(self, key: Key, profile: TaggedJson, version: int) -> None:
        """Stores the response, unless it may have changed since `version`."""
        missed = self._version - version
        weight = _weight(profile)
        if not self.connected or missed > len(self._changes) or weight > self._max_bytes:
            return
        changes = {self._changes[-number] for number in range(1, missed + 1)}
        person = _person(key)
        if person in changes or _EVERYBODY in changes or (changes and person == _EVERYBODY):
            return
        self._drop(key)
        self._entries[key] = profile
        self._bytes += weight
        self._keys_by_person[person].add(key)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def on_notification(self, payload: str) -> None:
        """Drops the profiles of the person with this id, or all if there is no id; and searches."""
        user_id = int(payload) if payload.isdecimal() else _EVERYBODY
        self._version += 1
        self._changes.append(user_id)
        if user_id == _EVERYBODY:
            self._clear()
        for person in (user_id, _EVERYBODY):
            for key in list(self._keys_by_person.get(person, ())):
                self._drop(key)

    def set_connected(self, connected: bool) -> None:
        """Records whether notifications are received from now on.

        Notifications may have been lost before, so the cache drops all entries, and the version
        jumps so far that no read under way can be stored.
        """
        self.connected = connected
        self._version += _MAX_CHANGES + 1
        self._clear()

    def _clear(self) -> None:
        self._entries.clear()
        self._keys_by_person.clear()
        self._bytes = 0

    def _drop(self, key: Key) -> None:
        profile = self._entries.pop(key, None)
        if profile is None:
            return
        self._bytes -= _weight(profile)
        person = _person(key)
        keys = self._keys_by_person[person]
        keys.discard(key)
        if not keys:
            del self._keys_by_person[person]


def _person(key: Key) -> int:
    """Whose changes drop the entry."""
    return key.user_id if isinstance(key, ProfileKey) else _EVERYBODY


def _weight(profile: TaggedJson) -> int:
    return len(profile.body) + _ENTRY_BYTES
