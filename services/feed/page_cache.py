"""First pages of feeds: from the cache, assembled from cached fragments, or read from the database.

A page depends on everybody whom its reader follows, so a cached page is dropped often: one like of
one tweet drops the pages of all the author's followers. To read each of them again with one large
statement would be expensive. So the cache also holds the small results behind a page, the
fragments:

- whom a reader follows;
- the sort keys of an author's first TWEETS_PER_AUTHOR tweets, in each order;
- a tweet as JSON, the same for every reader (`tweet_json.CardJson`).

`assemble` merges the sort keys of all followed authors, takes the highest, and joins the JSON of
these tweets. A like drops the tweet and its author's sort keys; the next page that needs them reads
them again, for all readers. The highest sort keys are cached too: next time, only those of authors
who have changed since are merged, so the cost hardly grows with the people followed. Only one thing
is read for each reader's page: the reader's own like of a tweet with more likes than a tweet lists.
The bytes are the same as those of `queries.page`, so the entity tag does not depend on whether a
page was assembled or read as a whole.

Fragments are read at different moments. If one of them changes in between, they may not fit
together. Either a tweet is missing, and the page is read from the database instead, or the
invalidation of the changed fragment also drops the page, which is stored with the tags of all its
fragments. See docs/adr/0016.

A page with conversations, and the first page of a thread, are chosen by the database
(`conversations`, `threads`), and show the same cached tweets.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import nlargest
from typing import NamedTuple

from prometheus_client import Counter

from chassis.database.pool import Pool
from chassis.http.etags import TaggedJson

from . import conversations, fragments, queries, threads
from .fragments import ID_INDEX, SortKey
from .invalidating_cache import (
    ALL_AUTHORS,
    InvalidatingCache,
    Tag,
    hashtag_tag,
    reader_tag,
    thread_tag,
    tweet_tag,
)
from .queries import MAX_LISTED_LIKES
from .selections import Order, Replies, Scope, Selection
from .tweet_json import CardJson

TWEETS_PER_AUTHOR = 20
"""How many first tweets of each author are cached, in each order: as many as most pages have. A
longer page is always read from the database."""

AuthoredKey = tuple[SortKey, int]
"""The sort key of a tweet, and its author."""

_NUMBER_BYTES = 100
"""Approximate memory for an id in a set."""
_SORT_KEY_BYTES = 140
"""Approximate memory for a sort key in a list."""

CACHE = Counter(
    "warble_feed_page_cache_total",
    "First pages: hit (from the cache), assembled (from fragments) or miss (from the database).",
    ["result"],
)
_HIT, _ASSEMBLED, _MISS = (CACHE.labels(result) for result in ("hit", "assembled", "miss"))


class PageRequest(NamedTuple):
    """The parameters of a first page, without its reader."""

    order: Order
    scope: Scope
    author_id: int | None
    limit: int
    replies: Replies = Replies.none
    since_id: int | None = None


class ThreadRequest(NamedTuple):
    """The parameters of the first page of a thread, without its reader."""

    tweet_id: int
    limit: int
    around: int | None = None


class PageKey(NamedTuple):
    reader_id: int
    request: PageRequest | ThreadRequest


class PageCache:
    def __init__(self, connections: Pool, cache: InvalidatingCache) -> None:
        self._connections = connections
        self._cache = cache

    def cached(self, key: PageKey) -> TaggedJson | None:
        page: TaggedJson | None = self._cache.get(key)
        if page is not None:
            _HIT.inc()
        return page

    async def assemble(self, key: PageKey) -> TaggedJson:
        """Assembles a page from fragments, or reads it from the database, and caches it.

        For a thread raises TweetNotFound, TweetWasDeleted, TweetHidden and AuthorLeft.
        """
        version = self._cache.version
        body, tags = await self._read(key)
        page = TaggedJson.of(body)
        self._cache.put(key, page, len(body), tags, version, names=body)
        return page

    async def _read(self, key: PageKey) -> tuple[bytes, Collection[Tag]]:
        """The body of a page, and what it depends on."""
        reader_id, request = key
        version = self._cache.version
        if isinstance(request, ThreadRequest):
            _ASSEMBLED.inc()
            thread = await threads.choose(
                self._connections, request.tweet_id, request.limit, around=request.around
            )
            tweets = await self.tweets(reader_id, thread.live, from_cache=True)
            tags = (thread_tag(request.tweet_id), *map(tweet_tag, thread.ids))
            return thread.body(tweets), tags
        authors = await self._tags(reader_id, request)
        if request.replies is Replies.conversations:
            _ASSEMBLED.inc()
            chosen = await conversations.choose(self._connections, _selection(reader_id, request))
            body = await self._conversations_body(reader_id, chosen, from_cache=True)
            return body, {
                *authors,
                *map(tweet_tag, (*chosen.details, *chosen.candidates)),
                *map(hashtag_tag, chosen.hashtag_numbers),
            }
        assembled = None
        has_fragments = request.since_id is None and request.limit <= TWEETS_PER_AUTHOR
        if self._cache.connected and has_fragments:
            assembled = await self._assemble_body(reader_id, request, authors, version)
        if assembled is None:
            _MISS.inc()
            return await queries.page(self._connections, _selection(reader_id, request)), authors
        _ASSEMBLED.inc()
        body, tweet_ids = assembled
        # NOTIFY deduplicates payloads within a transaction: the author's notification may come
        # before that of the last of the author's tweets. So the page depends on its tweets too.
        return body, {*authors, *map(tweet_tag, tweet_ids)}

    async def read_from_database(self, key: PageKey) -> TaggedJson:
        """Reads a page without the cache: for a change that the database has committed but whose
        notification has not arrived yet."""
        _MISS.inc()
        reader_id, request = key
        if isinstance(request, ThreadRequest):
            body = await self.thread_page(
                reader_id,
                request.tweet_id,
                request.limit,
                around=request.around,
                from_cache=False,
            )
            return TaggedJson.of(body)
        selection = _selection(reader_id, request)
        if selection.replies is Replies.conversations:
            return TaggedJson.of(await self.conversation_page(selection))
        return TaggedJson.of(await queries.page(self._connections, selection))

    async def thread_page(
        self,
        reader_id: int,
        tweet_id: int,
        limit: int,
        *,
        cursor: str | None = None,
        around: int | None = None,
        from_cache: bool,
    ) -> bytes:
        """Any page of a thread. For parameters and errors see `threads.choose`."""
        thread = await threads.choose(
            self._connections, tweet_id, limit, cursor=cursor, around=around
        )
        return thread.body(await self.tweets(reader_id, thread.live, from_cache=from_cache))

    async def conversation_page(self, selection: Selection) -> bytes:
        """A page with conversations, read from the database."""
        chosen = await conversations.choose(self._connections, selection)
        return await self._conversations_body(selection.reader_id, chosen, from_cache=False)

    async def _conversations_body(
        self, reader_id: int, chosen: conversations.Conversations, *, from_cache: bool
    ) -> bytes:
        tweets = await self.tweets(reader_id, list(chosen.details), from_cache=from_cache)
        brace = len(b"}")
        bodies = [
            tweets[tweet_id][:-brace] + details + b"}"
            for tweet_id, details in chosen.details.items()
            if tweet_id in tweets
        ]
        return queries.page_body(b",".join(bodies), chosen.last)

    async def tweets(
        self, reader_id: int, ids: Sequence[int], *, from_cache: bool
    ) -> dict[int, bytes]:
        """Tweets as JSON, for this reader; those that do not exist are missing.

        From the cache if possible. Without it, those whose authors are hidden are missing too.
        """
        if not from_cache or not self._cache.connected:
            return await queries.tweets_by_id(self._connections, reader_id, ids)
        cards = await self._cards(ids)
        # A card whose list of likes is not full lists everybody who likes the tweet.
        full = [each for each, card in cards.items() if len(card.likers) >= MAX_LISTED_LIKES]
        own_likes = await fragments.own_likes(self._connections, reader_id, full) if full else {}
        return {
            each: card.render_for(reader_id, own_likes.get(each)) for each, card in cards.items()
        }

    async def _tags(self, reader_id: int, request: PageRequest) -> Collection[Tag]:
        """What the page depends on: the authors whose tweets it may show, and its reader."""
        own_tag = reader_tag(reader_id)
        if request.author_id is not None:
            return (request.author_id, own_tag)
        if request.scope is Scope.everyone:
            return (ALL_AUTHORS, own_tag)
        cache_key = "followed", reader_id
        tags: Collection[Tag] | None = self._cache.get(cache_key)
        if tags is None:
            version = self._cache.version
            followed = await fragments.followed(self._connections, reader_id)
            tags = frozenset((*followed, reader_id, own_tag))
            self._cache.put(cache_key, tags, _NUMBER_BYTES * len(tags), (own_tag,), version)
        return tags

    async def _assemble_body(
        self, reader_id: int, request: PageRequest, tags: Collection[Tag], version: int
    ) -> tuple[bytes, list[int]] | None:
        """The body of the page, and the ids of its tweets. `version` is older than `tags`.

        None for a page of all authors, which has no fragments, and if the fragments do not fit
        together because of a concurrent change.
        """
        if ALL_AUTHORS in tags:
            return None
        order, limit = request.order, request.limit
        highest = await self._highest(reader_id, request, tags, version)
        ids = [sort_key[ID_INDEX[order]] for sort_key, _ in highest]
        tweets = await self.tweets(reader_id, ids, from_cache=True)
        if len(tweets) < len(ids):
            return None
        last = highest[-1][0] if len(highest) == limit else None
        cursor = (last[1 - ID_INDEX[order]], last[ID_INDEX[order]]) if last else None
        return queries.page_body(b",".join(tweets.values()), cursor), ids

    async def _highest(
        self, reader_id: int, request: PageRequest, tags: Collection[Tag], version: int
    ) -> list[AuthoredKey]:
        """The sort keys of the page's tweets."""
        order, limit = request.order, request.limit
        cache_key = "highest", reader_id, request
        highest = None
        found: tuple[int, list[AuthoredKey]] | None = self._cache.get(cache_key)
        changes = found and self._cache.changes_since(found[0])
        if found and changes is not None:
            changed = [tag for tag in changes if tag > 0 and tag in tags]
            ids = [sort_key[ID_INDEX[order]] for sort_key, _ in found[1]]
            by_author = await self._first_tweets(changed, order, ids)
            highest = _merge(found[1], by_author, limit)
        if highest is None:
            authors = [tag for tag in tags if tag > 0]
            highest = _highest_of(await self._first_tweets(authors, order), limit)
        size = _SORT_KEY_BYTES * len(highest)
        own_tag = reader_tag(reader_id)
        self._cache.put(cache_key, (version, highest), size, (own_tag,), version)
        return highest

    async def _first_tweets(
        self, authors: Sequence[int], order: Order, card_ids: Sequence[int] = ()
    ) -> dict[int, Sequence[SortKey]]:
        """The first tweets of each author.

        If they have to be read, the statement reads those of the cards `card_ids` too that are not
        in the cache: the page will probably need them.
        """
        peek = self._cache.peek
        by_author = {author_id: peek((order, author_id)) for author_id in authors}
        missing = [author_id for author_id, sort_keys in by_author.items() if sort_keys is None]
        if missing:
            version = self._cache.version
            missing_cards = [each for each in card_ids if peek(("card", each)) is None]
            read, cards = await fragments.first_tweets(
                self._connections, missing, order, TWEETS_PER_AUTHOR, missing_cards
            )
            for author_id in missing:
                sort_keys = by_author[author_id] = read.get(author_id, [])
                size = _SORT_KEY_BYTES * (len(sort_keys) + 1)
                self._cache.put((order, author_id), sort_keys, size, (author_id,), version)
            self._put_cards(cards, version)
        return by_author

    async def _cards(self, ids: Sequence[int]) -> dict[int, CardJson]:
        """The tweets with these ids; those that do not exist are missing."""
        peek = self._cache.peek
        cards = {tweet_id: peek(("card", tweet_id)) for tweet_id in ids}
        missing = [tweet_id for tweet_id, card in cards.items() if card is None]
        if missing:
            version = self._cache.version
            read = await fragments.cards(self._connections, missing)
            self._put_cards(read, version)
            cards.update((card.tweet_id, card) for card in read)
        return {tweet_id: card for tweet_id, card in cards.items() if card is not None}

    def _put_cards(self, cards: Iterable[CardJson], version: int) -> None:
        for card in cards:
            size = len(card.body) + _NUMBER_BYTES * len(card.likers)
            key, tags = ("card", card.tweet_id), (tweet_tag(card.tweet_id),)
            self._cache.put(key, card, size, tags, version, names=card.body)


def _highest_of(by_author: Mapping[int, Sequence[SortKey]], limit: int) -> list[AuthoredKey]:
    """The highest sort keys of all authors. Each list of `by_author` has its highest key first.

    Only `limit` authors can be on the page: those with the highest first tweets.
    """
    first = ((sort_keys[0], author_id) for author_id, sort_keys in by_author.items() if sort_keys)
    candidates = nlargest(limit, first)
    lowest = candidates[-1][0] if len(candidates) == limit else (0, 0)
    highest: list[AuthoredKey] = []
    for _, author_id in candidates:
        for sort_key in by_author[author_id]:
            if sort_key < lowest:
                break
            highest.append((sort_key, author_id))
    highest.sort(reverse=True)
    return highest[:limit]


def _merge(
    highest: Sequence[AuthoredKey], changed: Mapping[int, Sequence[SortKey]], limit: int
) -> list[AuthoredKey] | None:
    """The highest sort keys after these authors have changed, whose present keys are in `changed`.

    None if tweets of other authors may move up, whose sort keys are lower than all of `highest`.
    """
    merged = [key for key in highest if key[1] not in changed]
    merged += [(key, author_id) for author_id, keys in changed.items() for key in keys]
    merged.sort(reverse=True)
    if len(highest) < limit:
        # Nobody has more tweets.
        return merged[:limit]
    lowest, _ = highest[-1]
    if len(merged) < limit or merged[limit - 1][0] < lowest:
        return None
    return merged[:limit]


def _selection(reader_id: int, request: PageRequest) -> Selection:
    return Selection(reader_id, **request._asdict())
