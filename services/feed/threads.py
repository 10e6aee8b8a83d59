"""Chooses what a thread shows: a tweet, the tweets above it, and a page of the replies below it.

No statement walks a thread. A tweet stores the nearest tweets above it, and the table `reply` lists
what is below it: see `replies`. So a page costs the same in a chain of thousands of replies as in a
thread of three. `page_cache` has the tweets themselves, and caches first pages.

A deleted or hidden tweet that holds the place of others is shown as a tombstone: an object without
author and text, whose member `tombstone` says why: `deleted`, or `hidden` if the author has left or
a moderator has hidden the tweet. In the last case there is a member `hidden_by` too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from asyncpg import Record

from chassis.database.pool import Pool
from chassis.http import paging

from .errors import TweetNotFound
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
    || ',"root_id":' || coalesce(root_id, id)
    || ',"tombstone":"' || case
        when author_id is null then 'deleted"'
        when hidden then 'hidden","hidden_by":"moderator"'
        else 'hidden"'
    end || '}' as json
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


@dataclass(frozen=True)
class Thread:
    """What a page of a thread shows."""

    above: Sequence[int]
    omitted: int
    """How many tweets between the root and the next one above are left out."""
    tweet_id: int
    page: _ReplyPage
    tombstones: dict[int, bytes]
    """Those of the tweets that are deleted or hidden, as JSON."""

    @property
    def ids(self) -> list[int]:
        return [*self.above, self.tweet_id, *(reply.tweet_id for reply in self.page.replies)]

    @property
    def live(self) -> list[int]:
        return [tweet_id for tweet_id in self.ids if tweet_id not in self.tombstones]

    def body(self, live: Mapping[int, bytes]) -> bytes:
        """The body of the response. `live` are the tweets of `live` as JSON; those that were
        deleted meanwhile may be missing.

        Raises TweetNotFound if the tweet itself is missing.
        """
        tweets = {**live, **self.tombstones}
        if self.tweet_id not in tweets:
            raise TweetNotFound
        replies, has_earlier, has_later = self.page

        def json(ids: Iterable[int]) -> bytes:
            return b",".join(tweets[tweet_id] for tweet_id in ids if tweet_id in tweets)

        return (
            b'{"result":true,"ancestors":[%b],"omitted_ancestors":%d,"tweet":%b,"replies":[%b],'
            b'"previous_cursor":%b,"next_cursor":%b}'
        ) % (
            json(self.above),
            self.omitted,
            tweets[self.tweet_id],
            json(reply.tweet_id for reply in replies),
            _cursor(replies[0], backwards=True) if has_earlier else b"null",
            _cursor(replies[-1], backwards=False) if has_later else b"null",
        )


async def choose(
    connections: Pool,
    tweet_id: int,
    limit: int,
    *,
    cursor: str | None = None,
    around: int | None = None,
) -> Thread:
    """Chooses the tweets of a page. `around` is a reply in whose neighbourhood the page begins.

    Raises TweetNotFound, TweetWasDeleted, TweetHidden and AuthorLeft, and InvalidRequest for an
    invalid cursor.
    """
    start = await _start(connections, tweet_id, cursor, around)
    heads = await connections.fetch(_HEAD, tweet_id)
    if not heads:
        raise TweetNotFound
    (head,) = heads
    page = _ReplyPage([], has_earlier=False, has_later=False)
    if head["has_replies"]:
        page = await _replies(connections, tweet_id, start, limit)
    elif not head["visible"] or head["hidden"]:
        raise await missing_tweet(connections, tweet_id)
    above = _above(head)
    thread = Thread(above, head["depth"] - len(above), tweet_id, page, {})
    rows = await connections.fetch(_TOMBSTONES, thread.ids)
    thread.tombstones.update((row["id"], row["json"].encode()) for row in rows)
    return thread


async def _start(
    connections: Pool, tweet_id: int, cursor: str | None, around: int | None
) -> _Start:
    if cursor is not None:
        backwards, aside, reply_id = paging.decode(cursor, 3)
        key = _Key(bool(aside), reply_id)
        return _Start(before=key) if backwards else _Start(after=key)
    if around is not None:
        for row in await connections.fetch(_PLACE, tweet_id, around):
            key = _Key(row["aside"], around)
            return _Start(before=key, after=key)
    return _Start(after=_FIRST)


async def _replies(connections: Pool, tweet_id: int, start: _Start, limit: int) -> _ReplyPage:
    middle = [start.after] if start.before and start.after else []
    # A page around a reply has as many replies before it as behind it.
    count_before = limit // 2 if middle else limit
    count_after = limit - count_before - 1 if middle else limit
    earlier: list[_Key] = []
    later: list[_Key] = []
    if start.before:
        rows = await connections.fetch(_BEFORE, tweet_id, *start.before, count_before + 1)
        earlier = [_Key(*row) for row in rows]
    if start.after:
        rows = await connections.fetch(_AFTER, tweet_id, *start.after, count_after + 1)
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
