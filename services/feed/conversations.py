"""Chooses what a feed with conversations shows.

A reply on its own says little, so it is not shown as a card of its own. A reply by somebody whom
the reader follows, to somebody whom the reader follows, *brings* the tweet with which its thread
begins: the feed shows that tweet because of the reply. There is one card for a thread, which says
how many such replies there are and by whom. The reader counts as followed here. So do the hashtags
that the reader follows: tweets with them are shown, and the card says why.

*Recent* sorts by the newest activity: the tweet itself, or the newest such reply in its thread. A
thread may have shown up on an earlier page because of a newer reply; `_SHOWN_EARLIER` finds it by
the replies that are newer than the cursor. *Popular* sorts by the likes of the first tweet, and
considers the newest MAX_BROUGHT replies and tagged tweets only: the likes of everything that a
reply ever brought cannot be sorted in bounded time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.database.pool import Pool

from . import queries
from .selections import HIGHEST, Order, Selection, decode_cursor
from .tweet_json import expand

MAX_BROUGHT = 100
"""How many of the newest replies, and as many tagged tweets, bring tweets into a popular feed."""
MAX_COUNTED_REPLIES = 100
"""A card counts only the newest replies in its thread."""
_ROWS_PER_CARD = 3
_MAX_ROUNDS = 5

_AUTHOR = """
author as materialized (
    select id
    from (
        select followed_id as id from follow where follower_id = $1 and active union select $1
    ) as followed
    where not exists (select from person where person.id = followed.id and hidden)
)
"""
_ADDRESSED = """exists (
    select from tweet as parent join author as addressee on addressee.id = parent.author_id
    where parent.id = reply.parent_id and parent.visible
)"""
# Authors are sorted by their newest reply: the newest n are among those of the first n authors.
_REPLIED = f"""
    select reply.id, reply.root_id
    from (
        select author.id, newest.id as newest_id
        from author cross join lateral (
            select reply.id from tweet as reply
            where visible and parent_id is not null and author_id = author.id and reply.id < $2
                and {_ADDRESSED}
            order by reply.id desc limit 1
        ) as newest
        order by newest_id desc limit $3
    ) as candidate
    cross join lateral (
        select reply.id, root_id from tweet as reply
        where visible and parent_id is not null and author_id = candidate.id and reply.id < $2
            and {_ADDRESSED}
        order by reply.id desc limit $3
    ) as reply
    order by reply.id desc limit $3
"""  # noqa: S608  only constants are inserted
_TAGGED = """
    select tweet.id, tweet.id as root_id
    from (
        select distinct newest.tweet_id
        from tag_follow cross join lateral (
            select tweet_id from tweet_tag
            where tweet_tag.tag = tag_follow.tag and tweet_id < $2
            order by tweet_id desc limit $3
        ) as newest
        where user_id = $1 and active
        order by newest.tweet_id desc limit $3
    ) as tagged
    join tweet on tweet.id = tagged.tweet_id and parent_id is null
    where not exists (select from person where person.id = tweet.author_id and hidden)
"""
# $1 the reader, $2 the id behind which the page begins, $3 the limit.
_RECENT = f"""
with {_AUTHOR}
select id, root_id
from (
    ({_REPLIED})
    union
    ({_TAGGED})
    union
    select top.id, top.id
    from (
        select author.id, newest.id as newest_id
        from author cross join lateral (
            select id from tweet
            where visible and parent_id is null and author_id = author.id and id < $2
            order by id desc limit 1
        ) as newest
        order by newest_id desc limit $3
    ) as candidate
    cross join lateral (
        select id from tweet
        where visible and parent_id is null and author_id = candidate.id and id < $2
        order by id desc limit $3
    ) as top
) as activity
order by id desc limit $3
"""  # noqa: S608  only constants are inserted
# $3 the roots.
_SHOWN_EARLIER = f"""
with {_AUTHOR}
select distinct root_id from tweet as reply
where root_id = any($3::bigint[]) and id >= $2 and visible and parent_id is not null
    and author_id in (select id from author) and {_ADDRESSED}
"""  # noqa: S608  only constants are inserted
# $4 and $5 the sort key behind which the page begins.
_POPULAR_CANDIDATES = f"""
with {_AUTHOR}
select distinct brought.root_id, tweet.like_count,
    tweet.visible and (tweet.like_count, tweet.id) < ($4::int, $5::bigint)
        and tweet.author_id not in (select id from author) as is_candidate
from (({_REPLIED}) union ({_TAGGED})) as brought
join tweet on tweet.id = brought.root_id
"""  # noqa: S608  only constants are inserted
_HASHTAG_NUMBERS = """
select hashtag_number(tag) as number from tag_follow where user_id = $1 and active
"""
# $2 the roots. Hidden and deleted roots are left out.
_DETAILS = expand(f"""
with {_AUTHOR}
select root.id,
    coalesce(',"conversation":{{"reply_count":' || talk.replies || ',"person_count":' || talk.people
        || ',"latest_reply_id":' || talk.latest || ',"people":[' || talk.names || ']}}', '')
    || coalesce(',"followed_tag":' || to_json(followed.spelling)::text, '') as json
from unnest($2::bigint[]) as root (id)
join tweet on tweet.id = root.id and tweet.visible
left join lateral (
    with counted as (
        select reply.id, reply.author_id
        from (
            select id, author_id, parent_id from tweet
            where tweet.root_id = root.id and visible and parent_id is not null
            order by id desc limit {MAX_COUNTED_REPLIES}
        ) as reply
        where reply.author_id in (select id from author) and {_ADDRESSED}
    ), person_in_it as (
        select author_id, max(id) as latest from counted group by author_id
    )
    select
        (select count(*) from counted) as replies,
        (select count(*) from person_in_it) as people,
        (select max(id) from counted) as latest,
        (
            select string_agg(person_json(author_id), ',' order by latest desc)
            from (select * from person_in_it order by latest desc limit 3) as named
        ) as names
) as talk on true
left join lateral (
    select spelling from tag_follow join tweet_tag on tweet_tag.tag = tag_follow.tag
    where user_id = $1 and active and tweet_tag.tweet_id = root.id
        and tweet.author_id not in (select id from author)
    limit 1
) as followed on true
where not exists (select from person where person.id = tweet.author_id and hidden)
""")  # noqa: S608  only constants are inserted


@dataclass(frozen=True)
class Conversations:
    """The tweets of a page, and what it depends on beside them and the reader's authors."""

    details: dict[int, bytes]
    """The ids of the tweets in their order, each with further members of its JSON object."""
    last: tuple[int, int] | None
    """The sort key behind which the next page begins."""
    candidates: Sequence[int]
    """Tweets of other authors that the page shows, or would show if they changed."""
    hashtag_numbers: Sequence[int]
    """The numbers of the hashtags that the reader follows, as notifications have them."""


async def choose(connections: Pool, selection: Selection) -> Conversations:
    """Raises InvalidRequest for an invalid cursor."""
    chosen = _recent if selection.order is Order.recent else _popular
    roots, last, candidates = await chosen(connections, selection)
    rows = await connections.fetch(_DETAILS, selection.reader_id, roots)
    numbers = await connections.fetch(_HASHTAG_NUMBERS, selection.reader_id)
    found = {row["id"]: row["json"].encode() for row in rows}
    return Conversations(
        {root: found[root] for root in roots if root in found},
        last,
        candidates,
        [row["number"] for row in numbers],
    )


_Choice = tuple[list[int], tuple[int, int] | None, Sequence[int]]


async def _recent(connections: Pool, selection: Selection) -> _Choice:
    first = behind = decode_cursor(selection.cursor)[1]
    count = selection.limit * _ROWS_PER_CARD
    seen: set[int] = set()
    newest: dict[int, int] = {}
    for _ in range(_MAX_ROUNDS):
        rows = await connections.fetch(_RECENT, selection.reader_id, behind, count)
        roots = list({row["root_id"] for row in rows} - seen)
        if selection.cursor is not None and roots:
            earlier = await connections.fetch(_SHOWN_EARLIER, selection.reader_id, first, roots)
            seen.update(row["root_id"] for row in earlier)
        for row in rows:
            if row["root_id"] not in seen and len(newest) < selection.limit:
                newest[row["root_id"]] = row["id"]
            seen.add(row["root_id"])
        if len(newest) == selection.limit:
            *_, last = newest.values()
            return list(newest), (0, last), list(seen)
        if len(rows) < count:
            return list(newest), None, list(seen)
        behind = rows[-1]["id"]
    return list(newest), (0, behind), list(seen)


async def _popular(connections: Pool, selection: Selection) -> _Choice:
    behind = decode_cursor(selection.cursor)
    brought = await connections.fetch(
        _POPULAR_CANDIDATES, selection.reader_id, HIGHEST[1], MAX_BROUGHT, *behind
    )
    keys = await queries.sort_keys(connections, selection)
    keys += [(row["like_count"], row["root_id"]) for row in brought if row["is_candidate"]]
    top = sorted(keys, reverse=True)[: selection.limit]
    last = top[-1] if len(top) == selection.limit else None
    return [tweet_id for _, tweet_id in top], last, [row["root_id"] for row in brought]
