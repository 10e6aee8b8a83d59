"""The statements that read tweets and likers, for one reader, as the bytes of the response.

PostgreSQL writes the JSON (see `tweet_json`); no Python object is built for a tweet. Index-only
scans, one per followed author, find the order of a page. Only the rows of tweets on the page are
fetched.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from chassis.database.pool import Pool
from chassis.http import paging

from .errors import TweetNotFound
from .tweet_json import LIKE_COUNT, LIKED, NOT_LIKED, expand

MAX_LISTED_LIKES = 100
"""How many likes a tweet lists at most. `like_count` counts all of them."""

CHUNK = 100
"""The number of tweets that one statement of a whole feed reads. As many are in memory while they
are sent."""


class Order(StrEnum):
    popular = "popular"
    recent = "recent"


class Scope(StrEnum):
    following = "following"
    everyone = "everyone"


@dataclass(frozen=True)
class Selection:
    """Which tweets to read, and for which reader. With `author_id`, those of one author only."""

    reader_id: int
    order: Order = Order.popular
    scope: Scope = Scope.following
    author_id: int | None = None
    cursor: str | None = None
    offset: int = 0
    limit: int = 20


# $1 the reader, $2 the limit, $3 the offset, $4 and $5 the sort key of the cursor, $6 the author.
# Every statement uses all six parameters, because PostgreSQL derives their types from their use.
_BEHIND = {
    Order.popular: "(like_count, id) < ($4::int, $5::bigint)",
    Order.recent: "id < $5::bigint and $4::int is not null",
}
SORT = {Order.popular: "like_count desc, id desc", Order.recent: "id desc"}

_ONE_AUTHOR = """
    select id, like_count from tweet
    where visible and author_id = $6 and $1::bigint is not null and {behind}
      and not exists (select from person where id = $6 and hidden)
    order by {sort} limit $2 offset $3
"""
_EVERYONE = """
    select id, like_count from tweet
    where visible and $6::bigint is null and $1::bigint is not null and {behind}
      and not exists (select from person where person.id = tweet.author_id and hidden)
    order by {sort} limit $2 offset $3
"""
# Authors are sorted by their first tweet. A page of n tweets can contain only tweets of the first n
# authors, so at most n tweets of each of these are read.
_FOLLOWING = """
    select id, like_count
    from (
        select author_id
        from (
            select followed_id as author_id from follow where follower_id = $1 and active
            union select $1
        ) as authors
        cross join lateral (
            select id, like_count from tweet
            where visible and author_id = authors.author_id and $6::bigint is null and {behind}
            order by {sort} limit 1
        ) as first
        where not exists (select from person where person.id = authors.author_id and hidden)
        order by {sort} limit $2::bigint + $3::bigint
    ) as candidate
    cross join lateral (
        select id, like_count from tweet
        where visible and author_id = candidate.author_id and {behind}
        order by {sort} limit $2::bigint + $3::bigint
    ) as top
    order by {sort} limit $2 offset $3
"""
# {chosen} is a statement for the ids of the tweets. A reader's own like is always listed: the
# others get one place less.
_TWEETS = """
with chosen as materialized ({chosen})
select
    chosen.like_count,
    chosen.id,
    tweet_head(tweet)
        || coalesce(likes.listed, '')
        || '{like_count}' || tweet.like_count
        || case when own.user_id is null then '{not_liked}' else '{liked}' end as json
from chosen
join tweet on tweet.id = chosen.id
left join tweet_like as own
    on own.tweet_id = chosen.id and own.user_id = $1 and own.active
left join lateral (
    select string_agg(like_json(liker.user_id), ',' order by liker.version) as listed
    from (
        (
            select user_id, version from tweet_like
            where tweet_id = chosen.id and active and user_id <> $1
            order by version
            limit {max_listed} - (own.user_id is not null)::int
        )
        union all
        select own.user_id, own.version where own.user_id is not null
    ) as liker
) as likes on true
order by {order}
"""
# $1 the reader, $2 the ids of the tweets in the order of the response. Tweets that no longer exist
# are left out.
_BY_ID = """
    select tweet.id, tweet.like_count, requested.place
    from unnest($2::bigint[]) with ordinality as requested (id, place)
    join tweet on tweet.id = requested.id and tweet.visible
    where not exists (select from person where person.id = tweet.author_id and hidden)
"""
_ONE_PAGE = """
with tweets as ({tweets})
select
    convert_to(coalesce(string_agg(json, ',' order by {order}), ''), 'UTF8') as body,
    count(*) as count,
    (array_agg(like_count order by {order}))[$2] as last_like_count,
    (array_agg(id order by {order}))[$2] as last_id
from tweets
"""


def _tweets(chosen: str, order: str) -> str:
    statement = _TWEETS.format(
        chosen=chosen,
        order=order,
        like_count=LIKE_COUNT,
        liked=LIKED,
        not_liked=NOT_LIKED,
        max_listed=MAX_LISTED_LIKES,
    )
    return expand(statement)


_TWEETS_BY_ID = _tweets(_BY_ID, order="chosen.place")

# $1 the tweet, $2 the version behind which the page begins, $3 the limit.
_LIKERS = expand("""
with chosen as (
    select user_id, version from tweet_like
    where tweet_id = $1 and active and version > $2
    order by version limit $3
)
select
    exists (
        select from tweet where id = $1 and visible
        and not exists (select from person where person.id = tweet.author_id and hidden)
    ) as found,
    convert_to(
        coalesce(string_agg(person_json(user_id), ',' order by version), ''), 'UTF8'
    ) as body,
    (array_agg(version order by version))[$3] as last
from chosen
""")

_HIGHEST = (2**31 - 1, paging.MAX_ID)


def _chosen(selection: Selection) -> str:
    """The statement for the ids and like counts of the tweets, in the order of the selection."""
    if selection.author_id is not None:
        chosen = _ONE_AUTHOR
    elif selection.scope is Scope.everyone:
        chosen = _EVERYONE
    else:
        chosen = _FOLLOWING
    return chosen.format(behind=_BEHIND[selection.order], sort=SORT[selection.order])


def _statement(selection: Selection) -> str:
    sort = SORT[selection.order]
    return _tweets(
        _chosen(selection),
        order=sort.replace("like_count", "chosen.like_count").replace("id desc", "chosen.id desc"),
    )


def _arguments(selection: Selection) -> tuple[int | None, ...]:
    like_count, tweet_id = _HIGHEST
    if selection.cursor is not None:
        like_count, tweet_id = paging.decode(selection.cursor, 2)
    return (
        selection.reader_id,
        selection.limit,
        selection.offset,
        min(like_count, _HIGHEST[0]),
        tweet_id,
        selection.author_id,
    )


async def page(connections: Pool, selection: Selection) -> bytes:
    """One page as the body of the response. Raises InvalidRequest for an invalid cursor."""
    statement = _ONE_PAGE.format(tweets=_statement(selection), order=SORT[selection.order])
    async with connections.acquire_timed(statement) as connection:
        row = await connection.fetchrow(statement, *_arguments(selection))
    last = None if row["last_id"] is None else (row["last_like_count"], row["last_id"])
    return page_body(row["body"], last)


def page_body(tweets: bytes, last: tuple[int, int] | None) -> bytes:
    """The body of a page. `last` is the like count and the id of its last tweet, behind which the
    next page begins; None if there is no next page."""
    return b'{"result":true,"tweets":[%b],"next_cursor":%b}' % (tweets, _cursor(last))


def _cursor(key: tuple[int, ...] | None) -> bytes:
    return b"null" if key is None else f'"{paging.encode(*key)}"'.encode()


async def likers(connections: Pool, tweet_id: int, cursor: str | None, limit: int) -> bytes:
    """The people who like a tweet, the earliest like first, as the body of the response.

    Raises TweetNotFound, and InvalidRequest for an invalid cursor.
    """
    (behind,) = paging.decode(cursor, 1) if cursor is not None else (0,)
    async with connections.acquire_timed(_LIKERS) as connection:
        row = await connection.fetchrow(_LIKERS, tweet_id, behind, limit)
    if not row["found"]:
        raise TweetNotFound
    last = None if row["last"] is None else (row["last"],)
    return b'{"result":true,"users":[%b],"next_cursor":%b}' % (row["body"], _cursor(last))


async def whole_feed(connections: Pool, selection: Selection) -> AsyncIterator[bytes]:
    """A long list of tweets as the body of the response, in chunks.

    One statement reads the ids of all tweets in their order; further statements read the tweets by
    their ids. So the list contains no tweet twice and misses none, whatever is liked while it is
    sent, and a client that reads slowly holds neither a connection nor a transaction: see
    docs/adr/0009.
    """
    chosen = _chosen(selection)
    async with connections.acquire_timed(chosen) as connection:
        rows = await connection.fetch(chosen, *_arguments(selection))
    ids = [row["id"] for row in rows]
    separator = b'{"result":true,"tweets":['
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        async with connections.acquire_timed(_TWEETS_BY_ID) as connection:
            tweets = await connection.fetch(_TWEETS_BY_ID, selection.reader_id, chunk)
        if tweets:
            yield separator + ",".join(row["json"] for row in tweets).encode()
            separator = b","
    last = None
    if len(rows) == selection.limit:
        last = (rows[-1]["like_count"], rows[-1]["id"])
    end = b'],"next_cursor":%b}' % _cursor(last)
    yield end if separator == b"," else separator + end
