"""Reads fragments from the database: the small results from which first pages are assembled.

A fragment is the same for all readers, or small. See `page_cache` for how pages are assembled.
"""

from collections.abc import Sequence

from asyncpg import Record

from chassis.database.pool import Pool

from .queries import MAX_LISTED_LIKES
from .selections import SORT, Order
from .tweet_json import CardJson, expand

SortKey = tuple[int, int]
"""The id and the number of likes of a tweet: first the number by which the order sorts. So tuples
compare as the tweets of a feed do; the highest comes first."""

ID_INDEX = {Order.popular: 1, Order.recent: 0}
"""The index of the tweet's id in a sort key; the other number is the number of likes."""

_FOLLOWED = "select followed_id from follow where follower_id = $1 and active"

# $1 the ids.
_CARDS = expand(
    """
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
        (array_agg(json order by version))[{max_listed}] as last,
        array_agg(user_id order by version) as likers
    from (
        select user_id, version, like_json(user_id) as json
        from tweet_like
        where tweet_id = tweet.id and active
        order by version limit {max_listed}
    ) as earliest
) as likes on true
""".replace("{max_listed}", str(MAX_LISTED_LIKES))
)
# $1 the ids of the cards, $2 the authors, $3 how many tweets of each. The rows of authors have no
# card, and those of cards have no author. An author is one row, because each row costs something
# here and at the client.
_FIRST_TWEETS_AND_CARDS = """
select author_id, ids, counts, null::bigint as id, null::integer as like_count,
    null::bytea as head, null::bytea as likes, null::bytea as last_like, null::bigint[] as likers
from unnest($2::bigint[]) as author (author_id)
cross join lateral (
    select array_agg(id) as ids, array_agg(like_count) as counts
    from (
        select id, like_count from tweet
        where visible and parent_id is null and author_id = author.author_id
        order by {sort} limit $3
    ) as ordered
) as first
where ids is not null
    and not exists (select from person where id = author.author_id and hidden)
union all
select null, null, null, id, like_count, head, likes, last_like, likers from ({cards}) as card
"""
_STATEMENTS = {
    order: _FIRST_TWEETS_AND_CARDS.format(sort=SORT[order], cards=_CARDS) for order in Order
}
_OWN_LIKES = expand("""
select tweet_id, convert_to(like_json(user_id), 'UTF8') as json
from tweet_like where user_id = $1 and tweet_id = any($2::bigint[]) and active
""")


async def followed(connections: Pool, reader_id: int) -> list[int]:
    """The people whom the reader follows."""
    rows = await connections.fetch(_FOLLOWED, reader_id)
    return [row["followed_id"] for row in rows]


async def first_tweets(
    connections: Pool, authors: Sequence[int], order: Order, limit: int, card_ids: Sequence[int]
) -> tuple[dict[int, list[SortKey]], list[CardJson]]:
    """The first `limit` tweets of each author, and these cards. Authors without tweets, and cards
    of tweets that do not exist, are missing."""
    by_author: dict[int, list[SortKey]] = {}
    found: list[CardJson] = []
    for row in await connections.fetch(_STATEMENTS[order], card_ids, authors, limit):
        author_id = row["author_id"]
        if author_id is None:
            found.append(_card(row))
        elif order is Order.popular:
            by_author[author_id] = list(zip(row["counts"], row["ids"], strict=True))
        else:
            by_author[author_id] = list(zip(row["ids"], row["counts"], strict=True))
    return by_author, found


async def cards(connections: Pool, ids: Sequence[int]) -> list[CardJson]:
    """The tweets with these ids; those that do not exist are missing."""
    return [_card(row) for row in await connections.fetch(_CARDS, ids)]


def _card(row: Record) -> CardJson:
    return CardJson.build(
        row["id"],
        row["head"],
        row["likes"],
        row["last_like"] or b"",
        row["like_count"],
        frozenset(row["likers"] or ()),
    )


async def own_likes(connections: Pool, reader_id: int, ids: Sequence[int]) -> dict[int, bytes]:
    """The reader's likes of these tweets as JSON, by the tweet's id."""
    rows = await connections.fetch(_OWN_LIKES, reader_id, ids)
    return {row["tweet_id"]: row["json"] for row in rows}
