"""The statements that read tweets and likers, for one reader, as the bytes of the response.

PostgreSQL writes the JSON (see `tweet_json`); no Python object is built for a tweet. Index-only
scans, one per followed author, find the order of a page. Only the rows of tweets on the page are
fetched.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from chassis.database.pool import Pool
from chassis.http import paging
from chassis.http.errors import Problem

from .errors import AuthorLeft, TweetHidden, TweetNotFound, TweetWasDeleted
from .tweet_json import LIKE_COUNT, LIKED, NOT_LIKED, expand

MAX_LISTED_LIKES = 100
"""How many likes a tweet lists at most. `like_count` counts all of them."""

CHUNK = 100
"""The number of tweets that one statement of a whole feed reads. As many are in memory while they
are sent."""


class Order(StrEnum):
    popular = "popular"
    recent = "recent"


class Replies(StrEnum):
    none = "none"
    conversations = "conversations"
    all = "all"


class Scope(StrEnum):
    following = "following"
    everyone = "everyone"


@dataclass(frozen=True)
class Selection:
    """Which tweets to read, and for which reader.

    With `author_id`, those of one author only, and with `tag`, those with a hashtag. With
    `since_id`, only those of a period, which begins with this tweet. `conversations` reads the
    selections with Replies.conversations.
    """

    reader_id: int
    order: Order = Order.popular
    scope: Scope = Scope.following
    author_id: int | None = None
    cursor: str | None = None
    offset: int = 0
    limit: int = 20
    replies: Replies = Replies.none
    only_media: bool = False
    tag: str | None = None
    since_id: int | None = None

    @property
    def may_contain_replies(self) -> bool:
        return self.replies is Replies.all or self.only_media or self.tag is not None


NEWEST_OF_AUTHOR = 500
NEWEST_OF_EVERYONE = 20_000
NEWEST_WITH_TAG = 1_000
"""How many of the newest tweets are sorted by popularity, of a period or of those with a tag. No
index is sorted by both, so without a bound the cost would grow with all tweets."""

# $1 the reader, $2 the limit, $3 the offset, $4 and $5 the sort key of the cursor, $6 the author,
# and $7 the hashtag or the first tweet of the period. Every statement uses the first six, because
# PostgreSQL derives their types from their use.
_BEHIND = {
    Order.popular: "(like_count, id) < ($4::int, $5::bigint)",
    Order.recent: "id < $5::bigint and $4::int is not null",
}
SORT = {Order.popular: "like_count desc, id desc", Order.recent: "id desc"}

_ONE_AUTHOR = """
    select id, like_count from tweet
    where visible and {kind} and author_id = $6 and $1::bigint is not null and {behind}
      and not exists (select from person where id = $6 and hidden)
    order by {sort} limit $2 offset $3
"""
_EVERYONE = """
    select id, like_count from tweet
    where visible and {kind} and $6::bigint is null and $1::bigint is not null and {behind}
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
            where visible and {kind} and author_id = authors.author_id and $6::bigint is null
                and {behind}
            order by {sort} limit 1
        ) as first
        where not exists (select from person where person.id = authors.author_id and hidden)
        order by {sort} limit $2::bigint + $3::bigint
    ) as candidate
    cross join lateral (
        select id, like_count from tweet
        where visible and {kind} and author_id = candidate.author_id and {behind}
        order by {sort} limit $2::bigint + $3::bigint
    ) as top
    order by {sort} limit $2 offset $3
"""
_FOLLOWING_SINCE = """
    select id, like_count
    from (
        select followed_id as author_id from follow where follower_id = $1 and active
        union select $1
    ) as authors
    cross join lateral (
        select id, like_count from tweet
        where visible and {kind} and author_id = authors.author_id and id >= $7::bigint
        order by id desc limit {newest_of_author}
    ) as newest
    where $6::bigint is null and {behind}
      and not exists (select from person where person.id = authors.author_id and hidden)
    order by {sort} limit $2 offset $3
"""
_EVERYONE_SINCE = """
    select id, like_count
    from (
        select id, like_count, author_id from tweet
        where visible and {kind} and id >= $7::bigint
        order by id desc limit {newest_of_everyone}
    ) as newest
    where $6::bigint is null and $1::bigint is not null and {behind}
      and not exists (select from person where person.id = newest.author_id and hidden)
    order by {sort} limit $2 offset $3
"""
_TAGGED = """
    select id, like_count
    from (
        select tweet_id from tweet_tag where tag = $7 and {tag_behind}
        order by tweet_id desc {newest_with_tag}
    ) as newest
    cross join lateral (
        -- `offset 0`: for many tweets the planner would rather read the whole table.
        select id, like_count, author_id from tweet
        where tweet.id = newest.tweet_id and visible offset 0
    ) as tweet
    where $6::bigint is null and $1::bigint is not null and {behind}
      and not exists (select from person where person.id = tweet.author_id and hidden)
    order by {sort} limit $2 offset $3
"""
# Replies and other tweets have indexes of their own.
_BOTH = """
    select id, like_count from (({tweets}) union all ({replies})) as tweet
    order by {sort} limit $2 offset $3
"""
NO_REPLY = "parent_id is null"
REPLY = "parent_id is not null"
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

HIGHEST = (2**31 - 1, paging.MAX_ID)


def _chosen(selection: Selection) -> str:
    """The statement for the ids and like counts of the tweets, in the order of the selection."""
    is_popular = selection.order is Order.popular
    everyone = selection.scope is Scope.everyone
    if selection.tag is not None:
        template = _TAGGED
    elif selection.author_id is not None:
        template = _ONE_AUTHOR
    elif selection.since_id is not None:
        template = _EVERYONE_SINCE if everyone else _FOLLOWING_SINCE
    else:
        template = _EVERYONE if everyone else _FOLLOWING
    sort = SORT[selection.order]

    def chosen(kind: str) -> str:
        return template.format(
            kind=kind,
            behind=_BEHIND[selection.order],
            sort=sort,
            newest_of_author=NEWEST_OF_AUTHOR,
            newest_of_everyone=NEWEST_OF_EVERYONE,
            newest_with_tag=f"limit {NEWEST_WITH_TAG}" if is_popular else "",
            tag_behind="true" if is_popular else "tweet_id < $5::bigint",
        )

    if selection.only_media:
        return chosen("has_media")
    if selection.tag is not None or selection.replies is not Replies.all:
        return chosen(NO_REPLY)
    to_merge = "limit $2::bigint + $3::bigint".join
    tweets, replies = (
        to_merge(chosen(kind).rsplit("limit $2 offset $3", 1)) for kind in (NO_REPLY, REPLY)
    )
    return _BOTH.format(tweets=tweets, replies=replies, sort=sort)


def _statement(selection: Selection) -> str:
    sort = SORT[selection.order]
    return _tweets(
        _chosen(selection),
        order=sort.replace("like_count", "chosen.like_count").replace("id desc", "chosen.id desc"),
        with_parents=selection.may_contain_replies,
    )


def _arguments(selection: Selection) -> tuple[int | str | None, ...]:
    like_count, tweet_id = decode_cursor(selection.cursor)
    arguments = (
        selection.reader_id,
        selection.limit,
        selection.offset,
        like_count,
        tweet_id,
        selection.author_id,
    )
    if selection.tag is not None:
        return (*arguments, selection.tag)
    return arguments if selection.since_id is None else (*arguments, selection.since_id)


def decode_cursor(cursor: str | None) -> tuple[int, int]:
    """The like count and the id behind which a page begins. Raises InvalidRequest."""
    if cursor is None:
        return HIGHEST
    like_count, tweet_id = paging.decode(cursor, 2)
    return min(like_count, HIGHEST[0]), tweet_id


async def sort_keys(connections: Pool, selection: Selection) -> list[tuple[int, int]]:
    """The like counts and ids of the tweets of a page, in its order."""
    statement = _chosen(selection)
    rows = await connections.fetch(statement, *_arguments(selection))
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
    (row,) = await connections.fetch(statement, *_arguments(selection))
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
