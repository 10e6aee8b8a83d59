"""First pages: at hand, or put together from what is remembered of authors and tweets.

A change drops a few of the parts; the page is then made of the others, and the database is asked
only for what is missing.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from heapq import nlargest
from operator import itemgetter
from typing import NamedTuple

from prometheus_client import Counter

from chassis.connections import Connections

from . import parts, queries
from .memory import EVERYONE, Memory, reader, tweet
from .parts import ID, Card, Row
from .queries import LIKES_LISTED, Order, Scope, Selection

FIRST = 20
"""Tweets that are remembered of an author, in each order: as many as a page has, most often."""

_NUMBER_BYTES = 100
_ROW_BYTES = 140

READS = Counter(
    "warble_feed_page_reads_total",
    "First pages: at hand, made of what was remembered, or read whole.",
    ["outcome"],
)
_HIT, _MADE, _READ = (READS.labels(outcome) for outcome in ("hit", "made", "read"))


class Asked(NamedTuple):
    """A first page, as somebody may ask for it again."""

    order: Order
    scope: Scope
    author_id: int | None
    limit: int


class Key(NamedTuple):
    reader_id: int
    asked: Asked


@dataclass(frozen=True, slots=True)
class Page:
    body: bytes
    etag: str


class Pages:
    def __init__(self, connections: Connections, memory: Memory) -> None:
        self._connections = connections
        self._memory = memory

    def at_hand(self, key: Key) -> Page | None:
        page: Page | None = self._memory.get(key)
        if page is not None:
            _HIT.inc()
        return page

    async def made(self, key: Key) -> Page:
        """A page that is not at hand."""
        moment = self._memory.moment()
        subjects = await self._subjects(key)
        made = None
        if self._memory.hears and key.asked.limit <= FIRST:
            made = await self._put_together(key, subjects)
        (_READ if made is None else _MADE).inc()
        if made is None:
            body = await queries.page(self._connections, _selection(key))
        else:
            body, shown = made
            # An author whose tweets change together is told of once, maybe before the last of them.
            subjects = {*subjects, *map(tweet, shown)}
        page = _page(body)
        self._memory.keep(key, page, len(body), subjects, moment, names=body)
        return page

    async def read(self, key: Key) -> Page:
        """The page from the database, where it knows of a change that is on its way to us."""
        _READ.inc()
        return _page(await queries.page(self._connections, _selection(key)))

    async def _subjects(self, key: Key) -> Collection[int]:
        """What the page depends on: the authors whose tweets it may show, and its reader."""
        asked, itself = key.asked, reader(key.reader_id)
        if asked.author_id is not None:
            return (asked.author_id, itself)
        if asked.scope is Scope.everyone:
            return (EVERYONE, itself)
        held = "followed", key.reader_id
        known: Collection[int] | None = self._memory.get(held)
        if known is None:
            moment = self._memory.moment()
            followed = await parts.followed(self._connections, key.reader_id)
            known = frozenset((*followed, key.reader_id, itself))
            self._memory.keep(held, known, _NUMBER_BYTES * len(known), (itself,), moment)
        return known

    async def _put_together(
        self, key: Key, subjects: Collection[int]
    ) -> tuple[bytes, list[int]] | None:
        """The page from its parts, and the tweets that it shows.

        None where they do not fit, as a change goes on meanwhile.
        """
        if EVERYONE in subjects:
            return None
        order, limit = key.asked.order, key.asked.limit
        authors = [subject for subject in subjects if subject > 0]
        chosen = _best(await self._firsts(authors, order), limit)
        ids = [row[ID[order]] for row in chosen]
        cards = await self._cards(ids)
        if len(cards) < len(ids):
            return None
        # A card knows everybody who likes the tweet, unless they are more than it lists.
        beyond = [tweet_id for tweet_id in ids if len(cards[tweet_id].likers) >= LIKES_LISTED]
        own = await parts.own_likes(self._connections, key.reader_id, beyond) if beyond else {}
        shown = [cards[tweet_id].shown(key.reader_id, own.get(tweet_id)) for tweet_id in ids]
        last = chosen[-1] if len(chosen) == limit else None
        cursor = (last[1 - ID[order]], last[ID[order]]) if last else None
        return queries.answer(b",".join(shown), cursor), ids

    async def _firsts(self, authors: Sequence[int], order: Order) -> list[Sequence[Row]]:
        """The first tweets of each author who has any."""
        peek = self._memory.peek
        found = {author_id: peek((order, author_id)) for author_id in authors}
        missing = [author_id for author_id, rows in found.items() if rows is None]
        if missing:
            moment = self._memory.moment()
            known = await parts.firsts(self._connections, missing, order, FIRST)
            for author_id in missing:
                rows = found[author_id] = known.get(author_id, [])
                size = _ROW_BYTES * (len(rows) + 1)
                self._memory.keep((order, author_id), rows, size, (author_id,), moment)
        return [rows for rows in found.values() if rows]

    async def _cards(self, ids: Sequence[int]) -> dict[int, Card]:
        peek = self._memory.peek
        found = {tweet_id: peek(("card", tweet_id)) for tweet_id in ids}
        missing = [tweet_id for tweet_id, card in found.items() if card is None]
        if missing:
            moment = self._memory.moment()
            for card in await parts.cards(self._connections, missing):
                found[card.tweet_id] = card
                size = len(card.unliked) + _NUMBER_BYTES * len(card.likers)
                key = "card", card.tweet_id
                self._memory.keep(
                    key, card, size, (tweet(card.tweet_id),), moment, names=card.unliked
                )
        return {tweet_id: card for tweet_id, card in found.items() if card is not None}


def _page(body: bytes) -> Page:
    return Page(body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')


def _best(firsts: list[Sequence[Row]], limit: int) -> list[Row]:
    """The highest rows of all: whose own highest is not among the highest has none there."""
    likely = nlargest(limit, firsts, key=itemgetter(0))
    least = likely[-1][0] if len(likely) == limit else (0, 0)
    best: list[Row] = []
    for rows in likely:
        for row in rows:
            if row < least:
                break
            best.append(row)
    best.sort(reverse=True)
    return best[:limit]


def _selection(key: Key) -> Selection:
    order, scope, author_id, limit = key.asked
    return Selection(key.reader_id, order, scope, author_id=author_id, limit=limit)
