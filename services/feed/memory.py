"""An in-process cache that PostgreSQL invalidates.

Triggers announce, at the commit that changes something, which subject changed (revisions 0003,
0006 and 0007): an author's tweets, one tweet, the people whom a reader follows, a person's name.
Every entry is stored with the subjects that it depends on. An entry is stored only while this
process receives notifications, and only if no subject of it changed while it was read from the
database. So an entry equals what a fresh read would give, except for a change whose notification
is on its way.

Names are not indexed like the other subjects: a page shows up to 2,000 of them, and an index entry
for each would cost more than the page. Instead an entry holds the JSON in which it shows names.
When an entry is asked for after a person was renamed, the cache looks for that person in the JSON.
"""

import re
from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Hashable, Iterable
from itertools import takewhile
from typing import Any

Subject = int
"""A positive number is an author. The functions below give the numbers of the others."""
ANYTHING: Subject = 0
"""A change of which it is not known what it concerns: every entry is dropped."""
EVERYONE: Subject = 2**63
"""All authors."""

_ENTRY_BYTES = 700
"""What an entry costs beside its content, about: an empty page is nearly all of this."""
_SUBJECT_BYTES = 120
"""What one subject of an entry costs in the index, about."""
_REMEMBERED = 10_000
"""Changes that are compared with a read that was under way while they came."""

_PERSON_SHOWN = re.compile(rb'id":(\d+),"name":')
"""A person in the JSON of a tweet, as author or among the likes: see `queries.names`. No text of a
tweet matches it, since JSON escapes the quotation mark."""
_SEARCHED_AT_MOST = 20
"""A pass over the JSON that collects all people costs as much as some 30 searches for one."""


def reader(user_id: int) -> Subject:
    return -user_id


def tweet(tweet_id: int) -> Subject:
    """This one alone, as everybody sees it; what its author has written is another subject."""
    return EVERYONE + tweet_id


def person(user_id: int) -> Subject:
    """The person's name, wherever it is shown."""
    return -EVERYONE - user_id


def subject(change: str) -> Subject:
    """The subject of a notification's payload.

    `name` comes from the trigger before revision 0007, an empty payload from a rebuild.
    """
    kind, _, number = change.partition(" ")
    if kind == "author":
        return int(number)
    if kind == "tweet":
        return tweet(int(number))
    if kind == "person":
        return person(int(number))
    return reader(int(number)) if kind == "reader" else ANYTHING


class _Entry:
    __slots__ = ("content", "names", "renames", "subjects", "weight")

    def __init__(
        self,
        content: Any,
        subjects: Collection[Subject],
        names: bytes,
        weight: int,
        renames: int,
    ) -> None:
        self.content = content
        self.subjects = subjects
        self.names = names
        self.weight = weight
        self.renames = renames
        """How many renames it has been compared with."""


class Memory:
    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._keys_by_subject: defaultdict[Subject, set[Hashable]] = defaultdict(set)
        self._changes: deque[Subject] = deque(maxlen=_REMEMBERED)
        self._heard = 0
        self._renamed: dict[Subject, int] = {}
        """Each person's last rename by its number, in the order of these numbers."""
        self._renames = 0
        self.hears = False
        """Whether this process receives notifications."""

    def get(self, key: Hashable) -> Any:
        """The content, or None. The entry becomes the last one to be evicted."""
        entry = self._current(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry.content

    def peek(self, key: Hashable) -> Any:
        """As `get`, but without an effect on eviction: for many small entries at a time."""
        entry = self._current(key)
        return None if entry is None else entry.content

    def moment(self) -> int:
        """To be taken before something is read from the database, and given to `keep`."""
        return self._heard

    def keep(
        self,
        key: Hashable,
        content: Any,
        size: int,
        subjects: Collection[Subject],
        moment: int,
        names: bytes = b"",
    ) -> None:
        """Stores content of so many bytes, unless something that it shows changed since `moment`.

        `names` is the JSON in which it shows people. It is part of the content: it must not be a
        copy, since `size` does not count it.
        """
        missed = self._heard - moment
        weight = size + _ENTRY_BYTES + _SUBJECT_BYTES * len(subjects)
        if not self.hears or missed > len(self._changes) or weight > self._most_bytes:
            return
        since = {self._changes[-number] for number in range(1, missed + 1)}
        if any(_concerns(change, subjects) for change in since) or _shows(names, since):
            return
        self._drop((key,))
        self._entries[key] = _Entry(content, subjects, names, weight, self._renames)
        self._bytes += weight
        for one in subjects:
            self._keys_by_subject[one].add(key)
        while self._bytes > self._most_bytes:
            self._drop((next(iter(self._entries)),))

    def changed(self, change: Subject) -> None:
        self._heard += 1
        self._changes.append(change)
        if change == ANYTHING:
            self._forget()
        elif change < -EVERYONE:
            self._rename(change)
        else:
            self._drop(list(self._keys_by_subject.get(change, ())))
            if 0 < change < EVERYONE:
                self._drop(list(self._keys_by_subject.get(EVERYONE, ())))

    def listen(self, *, well: bool) -> None:
        """Whether notifications are received from now on. Entries may have changed before."""
        self.hears = well
        self._heard += _REMEMBERED + 1
        self._forget()

    def _rename(self, change: Subject) -> None:
        self._renames += 1
        self._renamed.pop(change, None)
        self._renamed[change] = self._renames
        if len(self._renamed) > _REMEMBERED:
            # Starting again is cheaper than knowing which entries have seen the oldest of them.
            self._forget()

    def _current(self, key: Hashable) -> _Entry | None:
        """The entry, unless it shows a name that has changed."""
        entry = self._entries.get(key)
        if entry is None or not entry.names or entry.renames == self._renames:
            return entry
        latest = reversed(self._renamed.items())
        if _shows(
            entry.names,
            {renamed for renamed, _ in takewhile(lambda item: item[1] > entry.renames, latest)},
        ):
            self._drop((key,))
            return None
        entry.renames = self._renames
        return entry

    def _forget(self) -> None:
        self._entries.clear()
        self._keys_by_subject.clear()
        self._renamed.clear()
        self._bytes = 0

    def _drop(self, keys: Iterable[Hashable]) -> None:
        for key in keys:
            entry = self._entries.pop(key, None)
            if entry is None:
                continue
            self._bytes -= entry.weight
            for one in entry.subjects:
                others = self._keys_by_subject[one]
                others.discard(key)
                if not others:
                    del self._keys_by_subject[one]


def _concerns(change: Subject, subjects: Collection[Subject]) -> bool:
    return (
        change == ANYTHING or change in subjects or (0 < change < EVERYONE and EVERYONE in subjects)
    )


def _shows(names: bytes, changes: Collection[Subject]) -> bool:
    """Whether one of these changes is the rename of a person whose name stands there."""
    people = {-EVERYONE - change for change in changes if change < -EVERYONE}
    if not names or not people:
        return False
    if len(people) <= _SEARCHED_AT_MOST:
        return any(b'id":%d,"name":' % user_id in names for user_id in people)
    return not people.isdisjoint(map(int, _PERSON_SHOWN.findall(names)))
