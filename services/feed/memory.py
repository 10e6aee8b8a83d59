"""What this process remembers of the database, until the database says that it has changed.

Triggers tell, at the commit that changes something, of which subject it was (revisions 0003 and
0006): an author's tweets, one tweet, whom a reader follows, or names. A thing is kept with the
subjects that it depends on, only while this process hears of changes, and only if none came while
the thing was read. So what is found here is what a fresh read would give, but for a change that is
on its way to us.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Hashable, Iterable
from typing import Any, NamedTuple

Subject = int
"""An author by number, a reader by the number below zero, a tweet above all authors; or these."""
NAMES: Subject = 0
EVERYONE: Subject = 2**63
"""All authors."""

_THING_BYTES = 700
"""What a thing costs beside its content, about: an empty page is nearly all of this."""
_SUBJECT_BYTES = 120
"""What one subject of a thing costs in the index, about."""
_REMEMBERED = 10_000
"""Changes that are compared with a read that was under way while they came."""


def reader(user_id: int) -> Subject:
    return -user_id


def tweet(tweet_id: int) -> Subject:
    """This one alone, as everybody sees it; what its author has written is another subject."""
    return EVERYONE + tweet_id


def subject(change: str) -> Subject:
    """Of a change in the words of revision 0006; an empty one may be of anything."""
    kind, _, number = change.partition(" ")
    if kind == "author":
        return int(number)
    if kind == "tweet":
        return tweet(int(number))
    return reader(int(number)) if kind == "reader" else NAMES


class _Kept(NamedTuple):
    thing: Any
    subjects: Collection[Subject]
    weight: int


class Memory:
    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._keys_by_subject: defaultdict[Subject, set[Hashable]] = defaultdict(set)
        self._changes: deque[Subject] = deque(maxlen=_REMEMBERED)
        self._heard = 0
        self.hears = False
        """Whether changes are heard of at all."""

    def get(self, key: Hashable) -> Any:
        """The thing, or None. What was asked for last is given up last."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept.thing

    def peek(self, key: Hashable) -> Any:
        """As `get`, but asking does not keep it longer: for many small things at a time."""
        kept = self._kept.get(key)
        return None if kept is None else kept.thing

    def moment(self) -> int:
        """To be taken before a thing is read from the database, and given to `keep`."""
        return self._heard

    def keep(
        self,
        key: Hashable,
        thing: Any,
        size: int,
        subjects: Collection[Subject],
        moment: int,
    ) -> None:
        """Keeps a thing of so many bytes, unless a subject of it has changed since the moment."""
        missed = self._heard - moment
        weight = size + _THING_BYTES + _SUBJECT_BYTES * len(subjects)
        if not self.hears or missed > len(self._changes) or weight > self._most_bytes:
            return
        since = (self._changes[-number] for number in range(1, missed + 1))
        if any(_concerns(change, subjects) for change in since):
            return
        self._drop((key,))
        self._kept[key] = _Kept(thing, subjects, weight)
        self._bytes += weight
        for one in subjects:
            self._keys_by_subject[one].add(key)
        while self._bytes > self._most_bytes:
            self._drop((next(iter(self._kept)),))

    def changed(self, change: Subject) -> None:
        self._heard += 1
        self._changes.append(change)
        if change == NAMES:
            self._forget()
            return
        self._drop(list(self._keys_by_subject.get(change, ())))
        if 0 < change < EVERYONE:
            self._drop(list(self._keys_by_subject.get(EVERYONE, ())))

    def listen(self, *, well: bool) -> None:
        """Whether changes are heard of from now on. What is kept may have changed unheard."""
        self.hears = well
        self._heard += _REMEMBERED + 1
        self._forget()

    def _forget(self) -> None:
        self._kept.clear()
        self._keys_by_subject.clear()
        self._bytes = 0

    def _drop(self, keys: Iterable[Hashable]) -> None:
        for key in keys:
            kept = self._kept.pop(key, None)
            if kept is None:
                continue
            self._bytes -= kept.weight
            for one in kept.subjects:
                others = self._keys_by_subject[one]
                others.discard(key)
                if not others:
                    del self._keys_by_subject[one]


def _concerns(change: Subject, subjects: Collection[Subject]) -> bool:
    return change == NAMES or change in subjects or (0 < change < EVERYONE and EVERYONE in subjects)
