"""What first pages are put together from, as the database has it: small, and the same for all."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from chassis.connections import Connections

from .queries import LIKES_LISTED, SORT, Order, names

Row = tuple[int, int]
"""A tweet in the order it is read in: the sorting number first. See `ID`."""

ID = {Order.popular: 1, Order.recent: 0}
"""Where the tweet's id stands in a row; the other number is how many like it."""

_COLUMNS = {Order.popular: "like_count, id", Order.recent: "id, like_count"}

_UNLIKED, _LIKED = b',"liked":false}', b',"liked":true}'

_FOLLOWED = "select followed_id from follow where follower_id = $1 and active"

_FIRSTS = """
select author_id, {columns}
from unnest($1::bigint[]) as wanted (author_id)
cross join lateral (
    select id, like_count from tweet
    where visible and author_id = wanted.author_id
    order by {sort} limit $2
) as first
where not exists (select from person where id = wanted.author_id and hidden)
"""
_CARDS = names("""
select
    tweet.id,
    tweet.like_count,
    convert_to(
        '{' || tweet.card
            || ',"author":{"id":' || tweet.author_id
            || ',"name":' || name_of(tweet.author_id) || '},"likes":[',
        'UTF8'
    ) as head,
    convert_to(coalesce(likes.listed, ''), 'UTF8') as likes,
    convert_to(likes.last, 'UTF8') as last,
    likes.likers
from unnest($1::bigint[]) as wanted (id)
join tweet on tweet.id = wanted.id and tweet.visible
left join lateral (
    select
        string_agg(json, ',' order by version) as listed,
        (array_agg(json order by version))[$2::int] as last,
        array_agg(user_id order by version) as likers
    from (
        select
            user_id,
            version,
            '{"user_id":' || user_id || ',"name":' || name_of(user_id) || '}' as json
        from tweet_like
        where tweet_id = tweet.id and active
        order by version limit $2::int
    ) as earliest
) as likes on true
""")
_OWN_LIKES = names("""
select
    tweet_id,
    convert_to('{"user_id":' || user_id || ',"name":' || name_of(user_id) || '}', 'UTF8') as json
from tweet_like where user_id = $1 and tweet_id = any($2::bigint[]) and active
""")


@dataclass(frozen=True, slots=True)
class Card:
    """A tweet as the bytes that go out, and what its reader's own like makes of it."""

    tweet_id: int
    unliked: bytes
    """For a reader who does not like it."""
    cut: int
    """Where the last of LIKES_LISTED likes ends this list for a reader whose own comes later."""
    end: int
    """Where the list of likes ends."""
    likers: frozenset[int]
    """Those who are listed."""

    def shown(self, reader_id: int, own: bytes | None) -> bytes:
        """The tweet for this reader, whose own like is always among those that are listed.

        `own` is the reader's like where it is not among the first.
        """
        if reader_id in self.likers:
            return self.unliked[: -len(_UNLIKED)] + _LIKED
        if own is None:
            return self.unliked
        between = self.unliked[self.end : -len(_UNLIKED)]
        return b"%b,%b%b%b" % (self.unliked[: self.cut], own, between, _LIKED)


async def followed(connections: Connections, reader_id: int) -> list[int]:
    """Whom the reader follows."""
    async with connections.running(_FOLLOWED) as connection:
        rows = await connection.fetch(_FOLLOWED, reader_id)
    return [row["followed_id"] for row in rows]


async def firsts(
    connections: Connections, authors: Sequence[int], order: Order, limit: int
) -> dict[int, list[Row]]:
    """The first tweets of each author, the highest first; an author without any is missing."""
    statement = _FIRSTS.format(columns=_COLUMNS[order], sort=SORT[order])
    found: dict[int, list[Row]] = {}
    async with connections.running(statement) as connection:
        for author_id, *row in await connection.fetch(statement, authors, limit):
            found.setdefault(author_id, []).append((row[0], row[1]))
    return {author_id: sorted(rows, reverse=True) for author_id, rows in found.items()}


async def cards(connections: Connections, ids: Sequence[int]) -> list[Card]:
    """The cards of those tweets that are there."""
    async with connections.running(_CARDS) as connection:
        rows = await connection.fetch(_CARDS, ids, LIKES_LISTED)
    return [_card(row) for row in rows]


def _card(row: asyncpg.Record) -> Card:
    head, likes, last = row["head"], row["likes"], row["last"] or b""
    return Card(
        tweet_id=row["id"],
        unliked=b'%b%b],"like_count":%d%b' % (head, likes, row["like_count"], _UNLIKED),
        cut=len(head) + len(likes) - len(last) - 1,
        end=len(head) + len(likes),
        likers=frozenset(row["likers"] or ()),
    )


async def own_likes(
    connections: Connections, reader_id: int, ids: Sequence[int]
) -> dict[int, bytes]:
    """The reader's likes of these tweets, as they stand in a list."""
    async with connections.running(_OWN_LIKES) as connection:
        rows = await connection.fetch(_OWN_LIKES, reader_id, ids)
    return {row["tweet_id"]: row["json"] for row in rows}
