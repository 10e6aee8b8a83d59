"""The statements that read tweets and likers, for one reader, as the bytes of the response.

PostgreSQL writes the JSON (see `tweet_json`); no Python object is built for a tweet. `selections`
finds the order of a page, and only the rows of tweets on the page are fetched.
"""

from collections.abc import AsyncIterator, Sequence

from chassis.database.pool import Pool
from chassis.http import paging
from chassis.http.errors import Problem

from .errors import AuthorLeft, TweetHidden, TweetNotFound, TweetWasDeleted
from .selections import SORT, Selection, arguments_of, chosen_statement
from .tweet_json import LIKE_COUNT, LIKED, NOT_LIKED, expand

MAX_LISTED_LIKES = 100
"""How many likes a tweet lists at most. `like_count` counts all of them."""

CHUNK = 100
"""The number of tweets that one statement of a whole feed reads. As many are in memory while they
are sent."""


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
        || case when own.user_id is null then '{not_liked}' else '{liked}' end {more} as json
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


def _tweets(chosen: str, order: str, *, with_parents: bool) -> str:
    brace = len("}")
    statement = _TWEETS.format(
        chosen=chosen,
        order=order,
        like_count=LIKE_COUNT,
        liked=LIKED[:-brace] if with_parents else LIKED,
        not_liked=NOT_LIKED[:-brace] if with_parents else NOT_LIKED,
        more="|| in_reply_to_json(tweet) || '}'" if with_parents else "",
        max_listed=MAX_LISTED_LIKES,
    )
    return expand(statement)


_TWEETS_BY_ID = _tweets(_BY_ID, order="chosen.place", with_parents=False)
_TWEETS_WITH_PARENTS_BY_ID = _tweets(_BY_ID, order="chosen.place", with_parents=True)

# $1 the person, $2 the version behind which the page begins, $3 the limit.
_LIKED = """
select tweet.id, version
from tweet_like join tweet on tweet.id = tweet_like.tweet_id
where tweet_like.user_id = $1 and active and version < $2 and visible
    and not exists (select from person where person.id = tweet.author_id and hidden)
    and not exists (select from person where person.id = $1 and hidden)
order by version desc limit $3
"""
_STATE = """
select deleted, author_id is not null and hidden as hidden,
    exists (select from person where person.id = tweet.author_id and hidden) as author_left
from tweet where id = $1
"""

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


def _statement(selection: Selection) -> str:
    sort = SORT[selection.order]
    return _tweets(
        chosen_statement(selection),
        order=sort.replace("like_count", "chosen.like_count").replace("id desc", "chosen.id desc"),
        with_parents=selection.may_contain_replies,
    )


async def sort_keys(connections: Pool, selection: Selection) -> list[tuple[int, int]]:
    """The like counts and ids of the tweets of a page, in its order."""
    statement = chosen_statement(selection)
    rows = await connections.fetch(statement, *arguments_of(selection))
    return [(row["like_count"], row["id"]) for row in rows]


async def tweets_by_id(
    connections: Pool, reader_id: int, ids: Sequence[int], *, with_parents: bool = False
) -> dict[int, bytes]:
    """The tweets with these ids as JSON; those that do not exist or are hidden are missing."""
    statement = _TWEETS_WITH_PARENTS_BY_ID if with_parents else _TWEETS_BY_ID
    rows = await connections.fetch(statement, reader_id, ids)
    return {row["id"]: row["json"].encode() for row in rows}


async def liked_tweets(
    connections: Pool, reader_id: int, user_id: int, cursor: str | None, limit: int
) -> bytes:
    """The tweets that a person likes, the latest like first, as the body of the response.

    Raises InvalidRequest for an invalid cursor.
    """
    (behind,) = paging.decode(cursor, 1) if cursor is not None else (paging.MAX_ID,)
    rows = await connections.fetch(_LIKED, user_id, behind, limit)
    ids = [row["id"] for row in rows]
    tweets = await tweets_by_id(connections, reader_id, ids, with_parents=True)
    last = (rows[-1]["version"],) if len(rows) == limit else None
    return page_body(b",".join(tweets.values()), last)


async def missing_tweet(connections: Pool, tweet_id: int) -> Problem:
    """Why there is no tweet with this id."""
    for state in await connections.fetch(_STATE, tweet_id):
        if state["deleted"]:
            return TweetWasDeleted()
        if state["author_left"]:
            return AuthorLeft()
        if state["hidden"]:
            return TweetHidden()
    return TweetNotFound()


async def page(connections: Pool, selection: Selection) -> bytes:
    """One page as the body of the response. Raises InvalidRequest for an invalid cursor."""
    statement = _ONE_PAGE.format(tweets=_statement(selection), order=SORT[selection.order])
    (row,) = await connections.fetch(statement, *arguments_of(selection))
    last = None if row["last_id"] is None else (row["last_like_count"], row["last_id"])
    return page_body(row["body"], last)


def page_body(tweets: bytes, last: tuple[int, ...] | None) -> bytes:
    """The body of a page. `last` is the sort key of its last tweet, behind which the next page
    begins, such as the like count and the id; None if there is no next page."""
    return b'{"result":true,"tweets":[%b],"next_cursor":%b}' % (tweets, cursor_json(last))


def cursor_json(key: tuple[int, ...] | None) -> bytes:
    return b"null" if key is None else f'"{paging.encode(*key)}"'.encode()


async def likers(connections: Pool, tweet_id: int, cursor: str | None, limit: int) -> bytes:
    """The people who like a tweet, the earliest like first, as the body of the response.

    Raises TweetNotFound, and InvalidRequest for an invalid cursor.
    """
    (behind,) = paging.decode(cursor, 1) if cursor is not None else (0,)
    (row,) = await connections.fetch(_LIKERS, tweet_id, behind, limit)
    if not row["found"]:
        raise TweetNotFound
    last = None if row["last"] is None else (row["last"],)
    return b'{"result":true,"users":[%b],"next_cursor":%b}' % (row["body"], cursor_json(last))


async def whole_feed(connections: Pool, selection: Selection) -> AsyncIterator[bytes]:
    """A long list of tweets as the body of the response, in chunks.

    One statement reads the ids of all tweets in their order; further statements read the tweets by
    their ids. So the list contains no tweet twice and misses none, whatever is liked while it is
    sent, and a client that reads slowly holds neither a connection nor a transaction: see
    docs/adr/0009.
    """
    keys = await sort_keys(connections, selection)
    ids = [tweet_id for _, tweet_id in keys]
    separator = b'{"result":true,"tweets":['
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        tweets = await tweets_by_id(
            connections, selection.reader_id, chunk, with_parents=selection.may_contain_replies
        )
        if tweets:
            yield separator + b",".join(tweets.values())
            separator = b","
    last = None
    if len(keys) == selection.limit:
        last = keys[-1]
    end = b'],"next_cursor":%b}' % cursor_json(last)
    yield end if separator == b"," else separator + end
