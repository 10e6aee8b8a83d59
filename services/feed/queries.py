"""Everything that reads: which tweets, in which order, as the bytes that go out.

PostgreSQL writes the JSON; nothing on this path builds an object of a tweet. The order of a page
comes from index-only scans, one per followed author; only the winners' rows are fetched.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from chassis import paging
from chassis.connections import Connections

from .errors import TweetNotFound

LIKES_LISTED = 100
"""How many likes a tweet lists; `like_count` beside them is true."""

CHUNK = 100
"""Tweets that one statement of a whole feed reads, and that are in memory while they are sent."""


class Order(StrEnum):
    popular = "popular"
    recent = "recent"


class Scope(StrEnum):
    following = "following"
    everyone = "everyone"


@dataclass(frozen=True)
class Selection:
    """Which tweets, for whom, from where: `author_id` narrows it to one person's."""

    reader_id: int
    order: Order = Order.popular
    scope: Scope = Scope.following
    author_id: int | None = None
    cursor: str | None = None
    offset: int = 0
    limit: int = 20


def names(statement: str) -> str:
    """The statement with `name_of(id)` written out: somebody's name as JSON.

    Looked up one by one: of a join with a few people the planner may believe that it needs all.
    """
    return re.sub(
        r"name_of\(([\w.]+)\)",
        r"""coalesce((select to_json(name) from person where id = \1)::text, '""')""",
        statement,
    )


# $1 the reader, $2 rows wanted, $3 rows skipped, $4 and $5 the cursor's key, $6 the author. Each
# statement names all six, so that PostgreSQL knows their types.
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
# Only an author whose own first tweet is among the first of all has any on the page.
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
    ) as likely
    cross join lateral (
        select id, like_count from tweet
        where visible and author_id = likely.author_id and {behind}
        order by {sort} limit $2::bigint + $3::bigint
    ) as top
    order by {sort} limit $2 offset $3
"""
_TWEETS = names("""
with chosen as materialized ({chosen})
select
    chosen.like_count,
    chosen.id,
    '{{' || tweet.card
        || ',"author":{{"id":' || tweet.author_id
        || ',"name":' || name_of(tweet.author_id) || '}}'
        || ',"likes":[' || coalesce(likes.listed, '')
        || '],"like_count":' || tweet.like_count
        || ',"liked":' || case when own.user_id is null then 'false' else 'true' end
        || '}}' as json
from chosen
join tweet on tweet.id = chosen.id
left join tweet_like as own
    on own.tweet_id = chosen.id and own.user_id = $1 and own.active
left join lateral (
    select string_agg(
        '{{"user_id":' || liker.user_id || ',"name":' || name_of(liker.user_id) || '}}',
        ',' order by liker.version
    ) as listed
    from (
        (
            select user_id, version from tweet_like
            where tweet_id = chosen.id and active and user_id <> $1
            order by version
            limit {listed} - (own.user_id is not null)::int
        )
        union all
        select own.user_id, own.version where own.user_id is not null
    ) as liker
) as likes on true
order by {order}
""")
# $1 the reader, $2 the ids of the tweets in the order wanted. A tweet that is gone is left out.
_LISTED = """
    select tweet.id, tweet.like_count, wanted.place
    from unnest($2::bigint[]) with ordinality as wanted (id, place)
    join tweet on tweet.id = wanted.id and tweet.visible
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

_LISTED_TWEETS = _TWEETS.format(chosen=_LISTED, listed=LIKES_LISTED, order="chosen.place")

# $1 the tweet, $2 the version behind which the page begins, $3 rows wanted
_LIKERS = names("""
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
        coalesce(
            string_agg(
                '{"id":' || user_id || ',"name":' || name_of(user_id) || '}', ',' order by version
            ),
            ''
        ),
        'UTF8'
    ) as body,
    (array_agg(version order by version))[$3] as last
from chosen
""")

_HIGHEST = (2**31 - 1, paging.MAX_ID)


def _chosen(selection: Selection) -> str:
    """The statement for ids and numbers of likes, in the order of the selection."""
    if selection.author_id is not None:
        chosen = _ONE_AUTHOR
    elif selection.scope is Scope.everyone:
        chosen = _EVERYONE
    else:
        chosen = _FOLLOWING
    return chosen.format(behind=_BEHIND[selection.order], sort=SORT[selection.order])


def _statement(selection: Selection) -> str:
    sort = SORT[selection.order]
    return _TWEETS.format(
        chosen=_chosen(selection),
        listed=LIKES_LISTED,
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


async def page(connections: Connections, selection: Selection) -> bytes:
    """One page as the whole answer's bytes. Raises InvalidRequest for a made-up cursor."""
    statement = _ONE_PAGE.format(tweets=_statement(selection), order=SORT[selection.order])
    async with connections.running(statement) as connection:
        row = await connection.fetchrow(statement, *_arguments(selection))
    last = None if row["last_id"] is None else (row["last_like_count"], row["last_id"])
    return answer(row["body"], last)


def answer(tweets: bytes, last: tuple[int, int] | None) -> bytes:
    """`last` says how many like the tweet behind which the next page begins, and its id."""
    return b'{"result":true,"tweets":[%b],"next_cursor":%b}' % (tweets, _cursor(last))


def _cursor(key: tuple[int, ...] | None) -> bytes:
    return b"null" if key is None else f'"{paging.encode(*key)}"'.encode()


async def likers(connections: Connections, tweet_id: int, cursor: str | None, limit: int) -> bytes:
    """Who likes a tweet, the first first. Raises TweetNotFound, and InvalidRequest as `page`."""
    (behind,) = paging.decode(cursor, 1) if cursor is not None else (0,)
    async with connections.running(_LIKERS) as connection:
        row = await connection.fetchrow(_LIKERS, tweet_id, behind, limit)
    if not row["found"]:
        raise TweetNotFound
    last = None if row["last"] is None else (row["last"],)
    return b'{"result":true,"users":[%b],"next_cursor":%b}' % (row["body"], _cursor(last))


async def whole(connections: Connections, selection: Selection) -> AsyncIterator[bytes]:
    """A long list as the answer's bytes, a chunk at a time.

    One statement reads which tweets, in which order; further ones read the tweets by their ids. So
    the list has no tweet twice and misses none, whatever is liked while it is sent, and a client
    that reads slowly holds neither a connection nor a transaction: see docs/adr/0009.
    """
    chosen = _chosen(selection)
    async with connections.running(chosen) as connection:
        rows = await connection.fetch(chosen, *_arguments(selection))
    ids = [row["id"] for row in rows]
    before = b'{"result":true,"tweets":['
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        async with connections.running(_LISTED_TWEETS) as connection:
            found = await connection.fetch(_LISTED_TWEETS, selection.reader_id, part)
        if found:
            yield before + ",".join(row["json"] for row in found).encode()
            before = b","
    last = None
    if len(rows) == selection.limit:
        last = (rows[-1]["like_count"], rows[-1]["id"])
    after = b'],"next_cursor":%b}' % _cursor(last)
    yield after if before == b"," else before + after
