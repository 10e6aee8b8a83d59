"""Events that came in great numbers, taken in together by a copy that serves nobody yet.

What the handlers do with one event after another, these do with many in one statement. Handlers
commute, so an order among them need not be kept; nobody else writes to the copy, so no row is held.
Kinds of which there are few have their handler alone.
"""

from collections.abc import Mapping, Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch
from chassis.events import Event
from chassis.intake import Together

from . import cards
from .events import (
    TweetLiked,
    TweetPosted,
    TweetUnliked,
    UserFollowed,
    UserRegistered,
    UserUnfollowed,
)
from .handlers import on_tweet_posted

# Of several events about one thing the last alone would stay.
_NAMES = """
insert into person (id, name, version)
select distinct on (id) id, name, version
from unnest($1::bigint[], $2::text[], $3::bigint[]) as told (id, name, version)
order by id, version desc
on conflict (id) do update set name = excluded.name, version = excluded.version
where person.version < excluded.version
"""
_FOLLOWS = """
insert into follow (follower_id, followed_id, active, version)
select distinct on (follower_id, followed_id) follower_id, followed_id, active, version
from unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[])
    as told (follower_id, followed_id, active, version)
where not exists (select from erasure where user_id in (follower_id, followed_id))
order by follower_id, followed_id, version desc
on conflict (follower_id, followed_id)
do update set active = excluded.active, version = excluded.version
where follow.version < excluded.version
"""
_POSTS = """
insert into tweet (id, author_id, card)
select id, author_id, card
from unnest($1::bigint[], $2::bigint[], $3::text[]) as told (id, author_id, card)
where not exists (select from erasure where user_id = author_id)
on conflict (id) do update set author_id = excluded.author_id, card = excluded.card
where tweet.author_id is null and not tweet.deleted
returning id
"""
_PLACES = """
insert into tweet (id) select distinct unnest($1::bigint[]) on conflict do nothing
"""
_LIKES = """
with told as (
    select distinct on (tweet_id, user_id) tweet_id, user_id, active, version
    from unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[])
        as told (tweet_id, user_id, active, version)
    join tweet on tweet.id = tweet_id
    where not deleted and not exists (select from erasure where erasure.user_id = told.user_id)
    order by tweet_id, user_id, version desc
), before as (
    select tweet_id, user_id, tweet_like.active
    from tweet_like join told using (tweet_id, user_id)
), after as (
    insert into tweet_like (tweet_id, user_id, active, version)
    select tweet_id, user_id, active, version from told
    on conflict (tweet_id, user_id)
    do update set active = excluded.active, version = excluded.version
    where tweet_like.version < excluded.version
    returning tweet_id, user_id, active
)
update tweet set like_count = like_count + change.step
from (
    select tweet_id, sum(after.active::int - coalesce(before.active, false)::int) as step
    from after left join before using (tweet_id, user_id)
    group by tweet_id
) as change
where tweet.id = change.tweet_id and change.step <> 0
"""


async def _name(session: AsyncSession, told: Sequence[tuple[UserRegistered, int]]) -> None:
    columns = zip(*((event.user_id, event.name, version) for event, version in told), strict=True)
    await fetch(session, _NAMES, *columns)


async def _follow(
    session: AsyncSession, told: Sequence[tuple[UserFollowed | UserUnfollowed, int]]
) -> None:
    rows = (
        (event.follower_id, event.followed_id, isinstance(event, UserFollowed), version)
        for event, version in told
    )
    await fetch(session, _FOLLOWS, *zip(*rows, strict=True))


async def _post(session: AsyncSession, told: Sequence[tuple[TweetPosted, int]]) -> None:
    rows = ((event.tweet_id, event.author_id, cards.render(event)) for event, _ in told)
    posted = await fetch(session, _POSTS, *zip(*rows, strict=True))
    there = {row["id"] for row in posted}
    for event, version in told:
        if event.tweet_id not in there:
            await on_tweet_posted(session, event, version)


async def _like(
    session: AsyncSession, told: Sequence[tuple[TweetLiked | TweetUnliked, int]]
) -> None:
    rows = [
        (event.tweet_id, event.user_id, isinstance(event, TweetLiked), version)
        for event, version in told
    ]
    await fetch(session, _PLACES, [row[0] for row in rows])
    await fetch(session, _LIKES, *zip(*rows, strict=True))


together: Mapping[type[Event], Together] = {
    UserRegistered: _name,
    UserFollowed: _follow,
    UserUnfollowed: _follow,
    TweetPosted: _post,
    TweetLiked: _like,
    TweetUnliked: _like,
}
