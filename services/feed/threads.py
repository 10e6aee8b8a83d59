"""Reads threads: a tweet, the tweets above it, and a page of the replies below it.

No statement walks a thread. A tweet stores the nearest tweets above it, and the table `reply` lists
what is below it: see `replies`. So a page costs the same in a chain of thousands of replies as in a
thread of three. The tweets themselves come from the cache of `pages`.

A deleted or hidden tweet that holds the place of others is shown as a tombstone: an object without
author and text, whose member `tombstone` says why.
"""

from collections.abc import Sequence
from typing import NamedTuple

from asyncpg import Record

from chassis.database.pool import Pool
from chassis.http import paging

from .errors import TweetNotFound
from .pages import Pages
from .queries import cursor_json, missing_tweet

_HEAD = """
select parent_id, coalesce(root_id, id) as root_id, depth, ancestors, visible,
    exists (select from reply where ancestor_id = tweet.id) as has_replies,
    exists (select from person where person.id = tweet.author_id and hidden) as hidden
from tweet where id = $1
"""
_AFTER = """
select aside, tweet_id from reply
where ancestor_id = $1 and (aside, tweet_id) > ($2::boolean, $3::bigint)
order by aside, tweet_id limit $4
"""
_BEFORE = """
select aside, tweet_id from reply
where ancestor_id = $1 and (aside, tweet_id) < ($2::boolean, $3::bigint)
order by aside desc, tweet_id desc limit $4
"""
_PLACE = """
select aside from reply where ancestor_id = $1 and aside in (false, true) and tweet_id = $2
"""
_TOMBSTONES = """
select id, '{"id":' || id || ',"reply_to":' || coalesce(parent_id::text, 'null')
    || ',"root_id":' || coalesce(root_id, id) || ',"reply_count":' || reply_count
    || ',"tombstone":"' || case when visible then 'hidden' else 'deleted' end || '"}' as json
from tweet
where id = any($1::bigint[]) and not (
    visible and not exists (select from person where person.id = tweet.author_id and hidden)
)
"""


class _Key(NamedTuple):
    """The place of a reply in a list of replies."""

    aside: bool
    tweet_id: int


_FIRST = _Key(False, 0)


class _Start(NamedTuple):
    """Where a page begins: behind `after`, or before `before`; with both, around this reply."""

    before: _Key | None = None
    after: _Key | None = None


class _ReplyPage(NamedTuple):
    replies: list[_Key]
    has_earlier: bool
    has_later: bool


class Threads:
    def __init__(self, connections: Pool, pages: Pages) -> None:
        self._connections = connections
        self._pages = pages

    async def page(
        self,
        reader_id: int,
        tweet_id: int,
        *,
        cursor: str | None,
        around: int | None,
        limit: int,
        from_cache: bool,
    ) -> bytes:
        """The body of the response. `around` is a reply in whose neighbourhood the page begins.

        Raises TweetNotFound, TweetWasDeleted, TweetHidden, and InvalidRequest for an invalid
        cursor.
        """
        heads = await self._connections.fetch(_HEAD, tweet_id)
        if not heads:
            raise TweetNotFound
        (head,) = heads
        page = _ReplyPage([], has_earlier=False, has_later=False)
        if head["has_replies"]:
            page = await self._replies(tweet_id, await self._start(tweet_id, cursor, around), limit)
        elif not head["visible"] or head["hidden"]:
            raise await missing_tweet(self._connections, tweet_id)
        above = _above(head)
        ids = [*above, tweet_id, *(reply.tweet_id for reply in page.replies)]
        rows = await self._connections.fetch(_TOMBSTONES, ids)
        tombstones = {row["id"]: row["json"].encode() for row in rows}
        live = [each for each in ids if each not in tombstones]
        tweets = await self._pages.tweets(reader_id, live, from_cache=from_cache) | tombstones
        found = [tweets[each] for each in ids if each in tweets]
        if tweet_id not in tweets:
            # Deleted since the first statement.
            raise TweetNotFound
        end = sum(each in tweets for each in above)
        return (
            b'{"result":true,"ancestors":[%b],"omitted_ancestors":%d,"tweet":%b,"replies":[%b],'
            b'"previous_cursor":%b,"next_cursor":%b}'
        ) % (
            b",".join(found[:end]),
            head["depth"] - len(above),
            found[end],
            b",".join(found[end + 1 :]),
            _cursor(page.replies[0], backwards=True) if page.has_earlier else b"null",
            _cursor(page.replies[-1], backwards=False) if page.has_later else b"null",
        )

    async def _start(self, tweet_id: int, cursor: str | None, around: int | None) -> _Start:
        if cursor is not None:
            backwards, aside, reply_id = paging.decode(cursor, 3)
            key = _Key(bool(aside), reply_id)
            return _Start(before=key) if backwards else _Start(after=key)
        if around is not None:
            for row in await self._connections.fetch(_PLACE, tweet_id, around):
                key = _Key(row["aside"], around)
                return _Start(before=key, after=key)
        return _Start(after=_FIRST)

    async def _replies(self, tweet_id: int, start: _Start, limit: int) -> _ReplyPage:
        middle = [start.after] if start.before and start.after else []
        # A page around a reply has as many replies before it as behind it.
        count_before = limit // 2 if middle else limit
        count_after = limit - count_before - 1 if middle else limit
        earlier: list[_Key] = []
        later: list[_Key] = []
        if start.before:
            rows = await self._connections.fetch(_BEFORE, tweet_id, *start.before, count_before + 1)
            earlier = [_Key(*row) for row in rows]
        if start.after:
            rows = await self._connections.fetch(_AFTER, tweet_id, *start.after, count_after + 1)
            later = [_Key(*row) for row in rows]
        replies = [*reversed(earlier[:count_before]), *middle, *later[:count_after]]
        # A page behind a reply has that reply before it, and a page before one has it behind.
        has_earlier = len(earlier) > count_before or (not start.before and start.after != _FIRST)
        has_later = len(later) > count_after or not start.after
        return _ReplyPage(replies, bool(replies) and has_earlier, bool(replies) and has_later)


def _above(head: Record) -> Sequence[int]:
    """The tweets above a reply: the root first, then the nearest ones down to the parent."""
    nearest = list(reversed(head["ancestors"]))
    if head["depth"] > len(nearest):
        return [head["root_id"], *nearest]
    return nearest


def _cursor(key: _Key, *, backwards: bool) -> bytes:
    return cursor_json((int(backwards), int(key.aside), key.tweet_id))
