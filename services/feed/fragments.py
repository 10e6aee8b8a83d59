"""Reads fragments from the database: the small results from which first pages are assembled.

A fragment is the same for all readers, or small. See `pages` for how pages are assembled.
"""

from collections.abc import Sequence

from chassis.database.pool import Pool

from .queries import MAX_LISTED_LIKES
from .selections import SORT, Order
from .tweet_json import CardJson, expand

SortKey = tuple[int, int]
"""The id and the number of likes of a tweet: first the number by which the order sorts. So tuples
compare as the tweets of a feed do; the highest comes first."""

ID_INDEX = {Order.popular: 1, Order.recent: 0}
"""The index of the tweet's id in a sort key; the other number is the number of likes."""

_SORT_KEY_COLUMNS = {Order.popular: "like_count, id", Order.recent: "id, like_count"}

_FOLLOWED = "select followed_id from follow where follower_id = $1 and active"

_FIRST_TWEETS = """
select author_id, {columns}
from unnest($1::bigint[]) as author (author_id)
cross join lateral (
    select id, like_count from tweet
    where visible and parent_id is null and author_id = author.author_id
    order by {sort} limit $2
) as first
where not exists (select from person where id = author.author_id and hidden)
"""
_CARDS = expand("""
select
    tweet.id,
    tweet.like_count,
    convert_to(tweet_head(tweet), 'UTF8') as head,
    convert_to(coalesce(likes.listed, ''), 'UTF8') as likes,
    convert_to(likes.last, 'UTF8') as last_like,
    likes.likers
from unnest($1::bigint[]) as requested (id)
join tweet on tweet.id = requested.id and tweet.visible
left join lateral (
    select
        string_agg(json, ',' order by version) as listed,
        (array_agg(json order by version))[$2::int] as last,
        array_agg(user_id order by version) as likers
    from (
        select user_id, version, like_json(user_id) as json
        from tweet_like
        where tweet_id = tweet.id and active
        order by version limit $2::int
    ) as earliest
) as likes on true
""")
_OWN_LIKES = expand("""
select tweet_id, convert_to(like_json(user_id), 'UTF8') as json
from tweet_like where user_id = $1 and tweet_id = any($2::bigint[]) and active
""")


async def followed(connections: Pool, reader_id: int) -> list[int]:
    """The people whom the reader follows."""
    rows = await connections.fetch(_FOLLOWED, reader_id)
    return [row["followed_id"] for row in rows]


async def first_tweets(
    connections: Pool, authors: Sequence[int], order: Order, limit: int
) -> dict[int, list[SortKey]]:
    """The first `limit` tweets of each author. An author without tweets is missing."""
    statement = _FIRST_TWEETS.format(columns=_SORT_KEY_COLUMNS[order], sort=SORT[order])
    by_author: dict[int, list[SortKey]] = {}
    for author_id, *key in await connections.fetch(statement, authors, limit):
        by_author.setdefault(author_id, []).append((key[0], key[1]))
    return {author_id: sorted(keys, reverse=True) for author_id, keys in by_author.items()}


async def cards(connections: Pool, ids: Sequence[int]) -> list[CardJson]:
    """The tweets with these ids; those that do not exist are missing."""
    rows = await connections.fetch(_CARDS, ids, MAX_LISTED_LIKES)
    return [
        CardJson.build(
            row["id"],
            row["head"],
            row["likes"],
            row["last_like"] or b"",
            row["like_count"],
            frozenset(row["likers"] or ()),
        )
        for row in rows
    ]


async def own_likes(connections: Pool, reader_id: int, ids: Sequence[int]) -> dict[int, bytes]:
    """The reader's likes of these tweets as JSON, by the tweet's id."""
    rows = await connections.fetch(_OWN_LIKES, reader_id, ids)
    return {row["tweet_id"]: row["json"] for row in rows}
