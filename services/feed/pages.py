"""Pages that were read lately, as the bytes that went out, until something changes them.

The database says what has changed, at the commit that changes it (revision 0003). A page is kept
only while this process hears that, and only if nothing changed it while it was read. So a page that
is found here is what a fresh read would give, but for a change that is on its way to us: a reader's
own changes do not come this way (see `api`).
"""

import hashlib
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client import Counter

_AUTHOR_BYTES = 120
"""What one author of a page costs in the index, about."""
_REMEMBERED = 10_000
"""Changes that are compared with a read that was under way while they came."""

READS = Counter(
    "warble_feed_page_reads_total", "First pages by whether they were at hand.", ["outcome"]
)


class Asked(NamedTuple):
    """A first page, as somebody may ask for it again."""

    order: str
    scope: str
    author_id: int | None
    limit: int


class Key(NamedTuple):
    reader_id: int
    asked: Asked


@dataclass(frozen=True, slots=True)
class Page:
    body: bytes
    etag: str
    authors: frozenset[int] | None
    """Whose tweets may be on it; None for everyone's."""

    @property
    def weight(self) -> int:
        return len(self.body) + _AUTHOR_BYTES * len(self.authors or ())


def etag_of(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


class Pages:
    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pages: OrderedDict[Key, Page] = OrderedDict()
        self._of_author: dict[int, set[Key]] = {}
        self._of_reader: dict[int, set[Key]] = {}
        self._of_everyone: set[Key] = set()
        self._changes: deque[str] = deque(maxlen=_REMEMBERED)
        self._heard = 0
        self._hears = False

    def get(self, key: Key) -> Page | None:
        page = self._pages.get(key)
        if page is not None:
            self._pages.move_to_end(key)
        return page

    def moment(self) -> int:
        """To be taken before a page is read from the database, and given to `keep`."""
        return self._heard

    def keep(self, key: Key, page: Page, moment: int) -> None:
        """Keeps the page, unless something that may be on it has changed since the moment."""
        missed = self._heard - moment
        if not self._hears or missed > len(self._changes) or page.weight > self._most_bytes:
            return
        since = (self._changes[-number] for number in range(1, missed + 1))
        if any(_concerns(change, key, page) for change in since):
            return
        self._drop(key)
        self._pages[key] = page
        self._bytes += page.weight
        self._of_reader.setdefault(key.reader_id, set()).add(key)
        if page.authors is None:
            self._of_everyone.add(key)
        for author_id in page.authors or ():
            self._of_author.setdefault(author_id, set()).add(key)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._pages)))

    def changed(self, change: str) -> None:
        """Something has changed, in the words of revision 0003."""
        self._heard += 1
        self._changes.append(change)
        kind, _, number = change.partition(" ")
        keys: Iterable[Key]
        if kind == "author":
            keys = self._of_author.get(int(number), set()) | self._of_everyone
        elif kind == "reader":
            keys = self._of_reader.get(int(number), ())
        else:
            keys = self._pages
        for key in list(keys):
            self._drop(key)

    def hears(self, *, well: bool) -> None:
        """Whether changes are heard of from now on. What is kept may have changed unheard."""
        self._hears = well
        self._heard += _REMEMBERED + 1
        for key in list(self._pages):
            self._drop(key)

    def _drop(self, key: Key) -> None:
        page = self._pages.pop(key, None)
        if page is None:
            return
        self._bytes -= page.weight
        _discard(self._of_reader, key.reader_id, key)
        self._of_everyone.discard(key)
        for author_id in page.authors or ():
            _discard(self._of_author, author_id, key)


def _concerns(change: str, key: Key, page: Page) -> bool:
    kind, _, number = change.partition(" ")
    if kind == "author":
        return page.authors is None or int(number) in page.authors
    return kind != "reader" or int(number) == key.reader_id


def _discard(index: dict[int, set[Key]], number: int, key: Key) -> None:
    keys = index[number]
    keys.discard(key)
    if not keys:
        del index[number]
