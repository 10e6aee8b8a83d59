"""What the feed does when the others tell something. The handlers commute: see docs/adr/0004."""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import erasure
from chassis.database import fetch
from chassis.subscriptions import Subscriptions

from . import cards
from .events import (
    TweetDeleted,
    TweetLiked,
    TweetPosted,
    TweetUnliked,
    UserDeactivated,
    UserErased,
    UserFollowed,
    UserRegistered,
    UserRenamed,
    UserUnfollowed,
)

subscriptions = Subscriptions("feed", sources=("users", "tweets"))

LIKES_BATCH = 5_000
"""Likes of deleted tweets that one statement deletes at most. No request waits for such rows, and
small batches would pass again and again over the index entries of those that are gone."""

_NAME = """
insert into person (id, name, version) values ($1, $2, $3)
on conflict (id) do update set name = excluded.name, version = excluded.version
where person.version < excluded.version
"""
_HIDE = """
insert into person (id, name, version, hidden) values ($1, '', 0, true)
on conflict (id) do update set hidden = true
"""
_FOLLOW = """
insert into follow (follower_id, followed_id, active, version) values ($1, $2, $3, $4)
on conflict (follower_id, followed_id)
do update set active = excluded.active, version = excluded.version
where follow.version < excluded.version
"""
_POST = """
insert into tweet (id, author_id, card)
select $1, $2, $3 where not exists (select from erasure where user_id = $2)
on conflict (id) do update set author_id = excluded.author_id, card = excluded.card
where tweet.author_id is null and not tweet.deleted
returning id
"""
# All that concerns a tweet's likes takes its turn at the tweet's row, made where there is none yet:
# a like and the end of its tweet, handled at the same moment by two workers, see each other.
_HOLD_TWEET = """
insert into tweet (id) values ($1)
on conflict (id) do update set id = excluded.id
returning deleted
"""
_DELETE = """
update tweet set deleted = true, author_id = null, card = null, like_count = 0
where id = any($1::bigint[])
"""
# At most $2 likes of these tweets. Rows are locked in the order (tweet, person), as by an erasure.
_DELETE_LIKES = """
with gone as (
    delete from tweet_like using (
        select tweet_id, user_id
        from unnest($1::bigint[]) as tweet (id)
        cross join lateral (
            select tweet_id, user_id from tweet_like where tweet_id = tweet.id
            order by user_id limit $2 for update
        ) as one
        limit $2
    ) as doomed
    where tweet_like.tweet_id = doomed.tweet_id and tweet_like.user_id = doomed.user_id
    returning 1
)
select count(*) as likes from gone
"""
_LEAVE_LIKES = """
insert into likes_to_delete (tweet_id) select unnest($1::bigint[]) on conflict do nothing
"""
_LIKE = """
with before as (
    select active from tweet_like where tweet_id = $1 and user_id = $2
), after as (
    insert into tweet_like (tweet_id, user_id, active, version)
    select $1, $2, $3, $4 where not exists (select from erasure where user_id = $2)
    on conflict (tweet_id, user_id)
    do update set active = excluded.active, version = excluded.version
    where tweet_like.version < excluded.version
    returning active
)
update tweet set like_count = like_count + change.step
from (
    select after.active::int - coalesce(before.active, false)::int as step
    from after left join before on true
) as change
where tweet.id = $1 and change.step <> 0
"""


@subscriptions.on(UserRegistered)
async def on_user_registered(session: AsyncSession, event: UserRegistered, version: int) -> None:
    await fetch(session, _NAME, event.user_id, event.name, version)


@subscriptions.on(UserRenamed)
async def on_user_renamed(session: AsyncSession, event: UserRenamed, version: int) -> None:
    await fetch(session, _NAME, event.user_id, event.name, version)


@subscriptions.on(UserDeactivated)
async def on_user_deactivated(session: AsyncSession, event: UserDeactivated, version: int) -> None:
    await fetch(session, _HIDE, event.user_id)


@subscriptions.on(UserErased)
async def on_user_erased(session: AsyncSession, event: UserErased, version: int) -> None:
    """No name that comes late is newer than this one."""
    await fetch(session, _NAME, event.user_id, "", version)
    await fetch(session, _HIDE, event.user_id)
    await erasure.hear(session, event.user_id)


@subscriptions.on(UserFollowed)
async def on_user_followed(session: AsyncSession, event: UserFollowed, version: int) -> None:
    await _follow(session, event, version, active=True)


@subscriptions.on(UserUnfollowed)
async def on_user_unfollowed(session: AsyncSession, event: UserUnfollowed, version: int) -> None:
    await _follow(session, event, version, active=False)


async def _follow(
    session: AsyncSession, event: UserFollowed | UserUnfollowed, version: int, *, active: bool
) -> None:
    if not await erasure.heard(session, event.follower_id, event.followed_id):
        await fetch(session, _FOLLOW, event.follower_id, event.followed_id, active, version)


@subscriptions.on(TweetPosted)
async def on_tweet_posted(session: AsyncSession, event: TweetPosted, version: int) -> None:
    card = cards.render(event)
    posted = await fetch(session, _POST, event.tweet_id, event.author_id, card)
    if not posted and await erasure.heard(session, event.author_id):
        await _delete(session, event.tweet_id)


@subscriptions.on(TweetDeleted)
async def on_tweet_deleted(session: AsyncSession, event: TweetDeleted, version: int) -> None:
    await _delete(session, event.tweet_id)


async def _delete(session: AsyncSession, tweet_id: int) -> None:
    await fetch(session, _HOLD_TWEET, tweet_id)
    await delete_tweets(session, [tweet_id])


async def delete_tweets(session: AsyncSession, tweet_ids: Sequence[int]) -> None:
    """Deletes tweets whose rows are locked. The worker deletes later what likes a batch leaves."""
    await fetch(session, _DELETE, tweet_ids)
    if await delete_likes(session, tweet_ids) == LIKES_BATCH:
        await fetch(session, _LEAVE_LIKES, tweet_ids)


async def delete_likes(session: AsyncSession, tweet_ids: Sequence[int]) -> int:
    """Deletes a batch of the likes of these tweets; gives how many."""
    (deleted,) = await fetch(session, _DELETE_LIKES, tweet_ids, LIKES_BATCH)
    return int(deleted["likes"])


@subscriptions.on(TweetLiked)
async def on_tweet_liked(session: AsyncSession, event: TweetLiked, version: int) -> None:
    await _like(session, event, version, active=True)


@subscriptions.on(TweetUnliked)
async def on_tweet_unliked(session: AsyncSession, event: TweetUnliked, version: int) -> None:
    await _like(session, event, version, active=False)


async def _like(
    session: AsyncSession, event: TweetLiked | TweetUnliked, version: int, *, active: bool
) -> None:
    (tweet,) = await fetch(session, _HOLD_TWEET, event.tweet_id)
    if not tweet["deleted"]:
        await fetch(session, _LIKE, event.tweet_id, event.user_id, active, version)
