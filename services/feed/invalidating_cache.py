"""An in-process cache that PostgreSQL invalidates.

*Tags.* An entry is stored with tags: what it depends on. A tag stands for an author's tweets, for
one tweet, for the people whom a reader follows, or for a person's name. Triggers of the database
notify the tags of everything that a transaction changed, at its commit (revisions 0003, 0006 and
0007 of the schema). `inbox_listener` receives these notifications and calls `invalidate`, which
drops the entries with the tag.

*The version counter.* One race remains: a value is read from the database, the database changes,
the notification arrives and finds nothing to drop, and only then the old value is stored. It would
stay for ever. So the cache counts the notifications, and the count is its `version`. The caller
takes the version before it reads and passes it to `put`. `put` compares the tags of the entry with
all changes since that version, and stores nothing if one of them matches. So the order is always:
version, read, put. While notifications are not received (`connected` is False), `put` stores
nothing at all. Thus an entry equals what a fresh read would give, except for changes whose
notification is on its way.

*The index.* A home page has about a hundred tags. To remove it from the index under each of them
would take most of the time of dropping it, and one like drops the pages of all followers of an
author. So an entry that a change drops stays in the index under its other tags. If it is stored
again without one of them, a change of that tag drops it once without need. When the index has too
many such tags, it is built again. An entry that is evicted leaves the index.

*Names.* Names are not indexed like other tags: a page shows up to 2,000 of them, and an index entry
for each would need more memory than the page. Instead an entry holds the JSON in which names stand.
When an entry is looked up after people were renamed, the cache searches this JSON for them.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Hashable, Iterable
from itertools import islice, takewhile
from typing import Any

from .tweet_json import people_shown, shows_person

Tag = int
"""What an entry depends on. A positive number is an author's id and stands for the author's tweets;
the functions and constants below give the numbers of all other tags."""
EVERYTHING: Tag = 0
"""The tag of an unspecified change: it drops every entry."""
ALL_AUTHORS: Tag = 2**63
"""The tag of an entry that depends on the tweets of all authors."""

_ENTRY_BYTES = 700
"""Approximate memory for an entry beside its content. An empty page needs hardly more."""
_TAG_BYTES = 120
"""Approximate memory for one tag of an entry in the index."""
_MAX_UNUSED_TAGS = 50_000
"""How many tags of entries that do not exist may be in the index, or as many as those of existing
entries, before the index is built again."""
_MAX_CHANGES = 10_000
"""How many of the latest changes, and of the latest renames, are remembered."""
_MAX_LISTED_CHANGES = 1_000
"""Of so many changes, `changes_since` gives a list."""

_MAX_SEARCHES = 20
"""Up to so many people are searched for one by one. Collecting all people of the JSON takes as long
as about 30 searches for one person."""


def reader_tag(user_id: int) -> Tag:
    """Whom the reader follows."""
    return -user_id


def tweet_tag(tweet_id: int) -> Tag:
    """This tweet only, as everybody sees it. An author's list of tweets has another tag."""
    return ALL_AUTHORS + tweet_id


def person_tag(user_id: int) -> Tag:
    """The person's name, wherever it is shown."""
    return -ALL_AUTHORS - user_id


def hashtag_tag(number: int) -> Tag:
    """The tweets with a hashtag. `number` is a hash of it, as the trigger of `tweet_tag` has it."""
    return 2 * ALL_AUTHORS + number


def thread_tag(tweet_id: int) -> Tag:
    """Which replies are listed below this tweet."""
    return 3 * ALL_AUTHORS + tweet_id


def parse_tag(payload: str) -> Tag:
    """The tag in the payload of a notification, such as `author 7`.

    A payload of an unknown kind counts as EVERYTHING. It is empty when a rebuild has swapped the
    schemas, and `name` if the trigger is older than revision 0007.
    """
    kind, _, number = payload.partition(" ")
    if kind == "author":
        return int(number)
    if kind == "tweet":
        return tweet_tag(int(number))
    if kind == "thread":
        return thread_tag(int(number))
    if kind == "hashtag":
        return hashtag_tag(int(number))
    if kind == "person":
        return person_tag(int(number))
    return reader_tag(int(number)) if kind == "reader" else EVERYTHING


class _Entry:
    __slots__ = ("content", "names", "renames", "tags", "weight")

    def __init__(
        self,
        content: Any,
        tags: Collection[Tag],
        names: bytes,
        weight: int,
        renames: int,
    ) -> None:
        self.content = content
        self.tags = tags
        self.names = names
        self.weight = weight
        self.renames = renames
        """The number of the last rename for which `names` was searched."""


class InvalidatingCache:
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._keys_by_tag: defaultdict[Tag, set[Hashable]] = defaultdict(set)
        self._indexed_tags = 0
        """The sum of the sizes of these sets; `_tags` is the part that existing entries need."""
        self._tags = 0
        self._changes: deque[Tag] = deque(maxlen=_MAX_CHANGES)
        self._version = 0
        self._last_renames: dict[Tag, int] = {}
        """The number of each person's last rename, in ascending order."""
        self._rename_count = 0
        self.connected = False
        """Whether this process receives notifications."""

    @property
    def version(self) -> int:
        """Take it before a read from the database, and pass it to `put`."""
        return self._version

    def changes_since(self, version: int) -> set[Tag] | None:
        """The tags of all changes since this version. None if there are more than a caller should
        look at, and if some are unknown."""
        missed = self._version - version
        if missed > min(_MAX_LISTED_CHANGES, len(self._changes)):
            return None
        return set(islice(reversed(self._changes), missed))

    def get(self, key: Hashable) -> Any:
        """The content, or None. The entry becomes the last one to be evicted."""
        entry = self._current(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry.content

    def peek(self, key: Hashable) -> Any:
        """Like `get`, but without an effect on eviction: for many small entries at a time."""
        entry = self._current(key)
        return None if entry is None else entry.content

    def put(
        self,
        key: Hashable,
        content: Any,
        size: int,
        tags: Collection[Tag],
        version: int,
        names: bytes = b"",
    ) -> None:
        """Stores content of `size` bytes, unless it may have changed since `version`.

        `names` is the JSON in which people's names stand. It must be the content or a part of it,
        not a copy, because `size` does not count it.
        """
        missed = self._version - version
        weight = size + _ENTRY_BYTES + _TAG_BYTES * len(tags)
        if not self.connected or missed > len(self._changes) or weight > self._max_bytes:
            return
        changes = {self._changes[-number] for number in range(1, missed + 1)}
        if any(_matches(change, tags) for change in changes) or _shows_renamed(names, changes):
            return
        self._drop((key,))
        self._entries[key] = _Entry(content, tags, names, weight, self._rename_count)
        self._bytes += weight
        self._add_to_index(key, tags)
        while self._bytes > self._max_bytes:
            self._evict(next(iter(self._entries)))

    def invalidate(self, change: Tag) -> None:
        """Drops the entries with this tag. For a person's name they are dropped at their next
        lookup."""
        self._version += 1
        self._changes.append(change)
        if change == EVERYTHING:
            self._clear()
        elif change < -ALL_AUTHORS:
            self._record_rename(change)
        else:
            self._drop_tagged(change)
            if 0 < change < ALL_AUTHORS:
                self._drop_tagged(ALL_AUTHORS)

    def set_connected(self, connected: bool) -> None:
        """Records whether notifications are received from now on.

        Notifications may have been lost before, so the cache drops all entries, and the version
        jumps so far that no read under way can be stored.
        """
        self.connected = connected
        self._version += _MAX_CHANGES + 1
        self._clear()

    def _record_rename(self, change: Tag) -> None:
        self._rename_count += 1
        self._last_renames.pop(change, None)
        self._last_renames[change] = self._rename_count
        if len(self._last_renames) > _MAX_CHANGES:
            # Dropping the oldest rename would need a search for it in every entry first. Clearing
            # the cache is cheaper.
            self._clear()

    def _current(self, key: Hashable) -> _Entry | None:
        """The entry, unless it shows a person who has been renamed since."""
        entry = self._entries.get(key)
        if entry is None or not entry.names or entry.renames == self._rename_count:
            return entry
        latest_first = reversed(self._last_renames.items())
        unchecked = takewhile(lambda item: item[1] > entry.renames, latest_first)
        if _shows_renamed(entry.names, {tag for tag, _ in unchecked}):
            self._drop((key,))
            return None
        entry.renames = self._rename_count
        return entry

    def _clear(self) -> None:
        self._entries.clear()
        self._clear_index()
        self._last_renames.clear()
        self._bytes = 0

    def _drop(self, keys: Iterable[Hashable]) -> None:
        for key in keys:
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._bytes -= entry.weight
                self._tags -= len(entry.tags)

    def _evict(self, key: Hashable) -> None:
        """Drops the entry and its tags: the index of a full cache must not grow."""
        tags = self._entries[key].tags
        self._drop((key,))
        for tag in tags:
            keys = self._keys_by_tag.get(tag)
            if keys is not None and key in keys:
                keys.remove(key)
                self._indexed_tags -= 1
                if not keys:
                    del self._keys_by_tag[tag]

    def _drop_tagged(self, tag: Tag) -> None:
        keys = self._keys_by_tag.pop(tag, None)
        if keys is not None:
            self._indexed_tags -= len(keys)
            self._drop(keys)

    def _add_to_index(self, key: Hashable, tags: Collection[Tag]) -> None:
        self._tags += len(tags)
        for tag in tags:
            keys = self._keys_by_tag[tag]
            self._indexed_tags -= len(keys)
            keys.add(key)
            self._indexed_tags += len(keys)
        if self._indexed_tags > 2 * self._tags + _MAX_UNUSED_TAGS:
            entries = list(self._entries.items())
            self._clear_index()
            for existing, entry in entries:
                self._add_to_index(existing, entry.tags)

    def _clear_index(self) -> None:
        self._keys_by_tag.clear()
        self._indexed_tags = self._tags = 0


def _matches(change: Tag, tags: Collection[Tag]) -> bool:
    return (
        change == EVERYTHING or change in tags or (0 < change < ALL_AUTHORS and ALL_AUTHORS in tags)
    )


def _shows_renamed(names: bytes, changes: Collection[Tag]) -> bool:
    """Whether one of these changes is the rename of a person whose name is in this JSON."""
    people = {-ALL_AUTHORS - change for change in changes if change < -ALL_AUTHORS}
    if not names or not people:
        return False
    if len(people) <= _MAX_SEARCHES:
        return any(shows_person(names, user_id) for user_id in people)
    return not people.isdisjoint(people_shown(names))
