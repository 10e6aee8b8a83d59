"""Which tweets a list contains, in which order: a `Selection`, and the statement that finds them.

Index-only scans, one per followed author, find the order of a page.
"""

from dataclasses import dataclass
from enum import StrEnum

from chassis.http import paging


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
    order by {sort} {limit}
"""
_EVERYONE = """
    select id, like_count from tweet
    where visible and {kind} and $6::bigint is null and $1::bigint is not null and {behind}
      and not exists (select from person where person.id = tweet.author_id and hidden)
    order by {sort} {limit}
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
    order by {sort} {limit}
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
    order by {sort} {limit}
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
    order by {sort} {limit}
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
    order by {sort} {limit}
"""
# Replies and other tweets have indexes of their own.
_BOTH = """
    select id, like_count from (({tweets}) union all ({replies})) as tweet
    order by {sort} {limit}
"""
_NO_REPLY = "parent_id is null"
_REPLY = "parent_id is not null"
_LIMIT = "limit $2 offset $3"
_LIMIT_BEFORE_MERGE = "limit $2::bigint + $3::bigint"

HIGHEST = (2**31 - 1, paging.MAX_ID)


def chosen_statement(selection: Selection) -> str:
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

    def chosen(kind: str, limit: str = _LIMIT) -> str:
        return template.format(
            kind=kind,
            limit=limit,
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
        return chosen(_NO_REPLY)
    return _BOTH.format(
        tweets=chosen(_NO_REPLY, _LIMIT_BEFORE_MERGE),
        replies=chosen(_REPLY, _LIMIT_BEFORE_MERGE),
        sort=sort,
        limit=_LIMIT,
    )


def arguments_of(selection: Selection) -> tuple[int | str | None, ...]:
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
