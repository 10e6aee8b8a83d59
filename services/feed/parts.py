"""What first pages are put together from, as the database has it: small, and the same for all."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from chassis.database import lent

from .queries import LIKES_LISTED, SORT, Order

Row = tuple[int, int]
"""A tweet in the order it is read in: the sorting number first. See `ID`."""

ID = {Order.popular: 1, Order.recent: 0}
"""Where the tweet's id stands in a row; the other number is how many like it."""

_COLUMNS = {Order.popular: "like_count, id", Order.recent: "id, like_count"}

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
_CARDS = """
select
    tweet.id,
    tweet.author_id,
    tweet.like_count,
    convert_to(
        '{' || tweet.card
            || ',"author":{"id":' || tweet.author_id
            || ',"name":' || to_json(coalesce(author.name, '')) || '},"likes":[',
        'UTF8'
    ) as head,
    convert_to(coalesce(likes.listed, ''), 'UTF8') as likes,
    likes.last,
    likes.likers
from unnest($1::bigint[]) as wanted (id)
join tweet on tweet.id = wanted.id and tweet.visible
left join person as author on author.id = tweet.author_id
left join lateral (
    select
        string_agg(json, ',' order by version) as listed,
        (array_agg(json order by version))[$2::int] as last,
        array_agg(user_id order by version) as likers
    from (
        select
            earliest.user_id,
            earliest.version,
            '{"user_id":' || user_id || ',"name":' || to_json(coalesce(person.name, '')) || '}'
                as json
        from (
            select user_id, version from tweet_like
            where tweet_id = tweet.id and active
            order by version limit $2::int
        ) as earliest
        left join person on person.id = earliest.user_id
    ) as liker
) as likes on true
"""
_OWN_LIKES = """
select
    tweet_id,
    convert_to(
        '{"user_id":' || user_id || ',"name":' || to_json(coalesce(person.name, '')) || '}', 'UTF8'
    ) as json
from tweet_like left join person on person.id = user_id
where user_id = $1 and tweet_id = any($2::bigint[]) and active
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A tweet but for what its reader makes of it, as the bytes that go out."""

    tweet_id: int
    author_id: int
    like_count: int
    head: bytes
    """As far as the list of likes."""
    likes: bytes
    """The first LIKES_LISTED of them."""
    cut: int
    """Where the last of as many ends this list for a reader whose own like comes later."""
    likers: frozenset[int]

    def shown(self, reader_id: int, own: bytes | None) -> bytes:
        """The tweet for this reader, whose own like is always among those that are listed.

        `own` is the reader's like where it is not among the first.
        """
        likes, liked = self.likes, reader_id in self.likers
        if own is not None and not liked:
            likes, liked = b"%b,%b" % (likes[: self.cut], own), True
        return b'%b%b],"like_count":%d,"liked":%b}' % (
            self.head,
            likes,
            self.like_count,
            b"true" if liked else b"false",
        )


async def followed(pool: asyncpg.Pool, reader_id: int) -> list[int]:
    """Whom the reader follows."""
    async with lent(pool, _FOLLOWED) as connection:
        rows = await connection.fetch(_FOLLOWED, reader_id)
    return [row["followed_id"] for row in rows]


async def firsts(
    pool: asyncpg.Pool, authors: Sequence[int], order: Order, limit: int
) -> dict[int, list[Row]]:
    """The first tweets of each author, the highest first; an author without any is missing."""
    statement = _FIRSTS.format(columns=_COLUMNS[order], sort=SORT[order])
    found: dict[int, list[Row]] = {}
    async with lent(pool, statement) as connection:
        for author_id, *row in await connection.fetch(statement, authors, limit):
            found.setdefault(author_id, []).append((row[0], row[1]))
    return {author_id: sorted(rows, reverse=True) for author_id, rows in found.items()}


async def cards(pool: asyncpg.Pool, ids: Sequence[int]) -> list[Card]:
    """The cards of those tweets that are there."""
    async with lent(pool, _CARDS) as connection:
        rows = await connection.fetch(_CARDS, ids, LIKES_LISTED)
    return [
        Card(
            row["id"],
            row["author_id"],
            row["like_count"],
            row["head"],
            row["likes"],
            len(row["likes"]) - len((row["last"] or "").encode()) - 1,
            frozenset(row["likers"] or ()),
        )
        for row in rows
    ]


async def own_likes(pool: asyncpg.Pool, reader_id: int, ids: Sequence[int]) -> dict[int, bytes]:
    """The reader's likes of these tweets, as they stand in a list."""
    async with lent(pool, _OWN_LIKES) as connection:
        rows = await connection.fetch(_OWN_LIKES, reader_id, ids)
    return {row["tweet_id"]: row["json"] for row in rows}
