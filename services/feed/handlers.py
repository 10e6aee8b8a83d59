"""What the feed does when the others tell something. The handlers commute: see docs/adr/0004."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import execute
from chassis.subscriptions import Subscriptions

from . import cards
from .events import (
    TweetDeleted,
    TweetLiked,
    TweetPosted,
    TweetUnliked,
    UserFollowed,
    UserRegistered,
    UserRenamed,
    UserUnfollowed,
)

subscriptions = Subscriptions("feed")

_NAME = text("""
insert into person (id, name, version) values (:user_id, :name, :version)
on conflict (id) do update set name = excluded.name, version = excluded.version
where person.version < excluded.version
""")
_FOLLOW = text("""
insert into follow (follower_id, followed_id, active, version)
values (:follower_id, :followed_id, :active, :version)
on conflict (follower_id, followed_id)
do update set active = excluded.active, version = excluded.version
where follow.version < excluded.version
""")
_HOLD_TWEET = text("""
insert into tweet (id) values (:tweet_id)
on conflict (id) do update set id = excluded.id
returning deleted
""")
_POST = text("""
update tweet set author_id = :author_id, card = :card where id = :tweet_id and author_id is null
""")
_DELETE = text("""
update tweet set deleted = true, author_id = null, card = null, like_count = 0
where id = :tweet_id
""")
_DELETE_LIKES = text("delete from tweet_like where tweet_id = :tweet_id")
_LIKE = text("""
with before as (
    select active from tweet_like where tweet_id = :tweet_id and user_id = :user_id
), after as (
    insert into tweet_like (tweet_id, user_id, active, version)
    values (:tweet_id, :user_id, :active, :version)
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
where tweet.id = :tweet_id and change.step <> 0
""")


@subscriptions.on(UserRegistered)
async def on_user_registered(session: AsyncSession, event: UserRegistered, version: int) -> None:
    await execute(session, _NAME, {**event.model_dump(), "version": version})


@subscriptions.on(UserRenamed)
async def on_user_renamed(session: AsyncSession, event: UserRenamed, version: int) -> None:
    await execute(session, _NAME, {**event.model_dump(), "version": version})


@subscriptions.on(UserFollowed)
async def on_user_followed(session: AsyncSession, event: UserFollowed, version: int) -> None:
    await execute(session, _FOLLOW, {**event.model_dump(), "active": True, "version": version})


@subscriptions.on(UserUnfollowed)
async def on_user_unfollowed(session: AsyncSession, event: UserUnfollowed, version: int) -> None:
    await execute(session, _FOLLOW, {**event.model_dump(), "active": False, "version": version})


@subscriptions.on(TweetPosted)
async def on_tweet_posted(session: AsyncSession, event: TweetPosted, version: int) -> None:
    if not await _hold(session, event.tweet_id):
        card = cards.render(event)
        await execute(
            session, _POST, {"tweet_id": event.tweet_id, "author_id": event.author_id, "card": card}
        )


@subscriptions.on(TweetDeleted)
async def on_tweet_deleted(session: AsyncSession, event: TweetDeleted, version: int) -> None:
    await _hold(session, event.tweet_id)
    await execute(session, _DELETE, event.model_dump())
    await execute(session, _DELETE_LIKES, event.model_dump())


@subscriptions.on(TweetLiked)
async def on_tweet_liked(session: AsyncSession, event: TweetLiked, version: int) -> None:
    await _like(session, event, version, active=True)


@subscriptions.on(TweetUnliked)
async def on_tweet_unliked(session: AsyncSession, event: TweetUnliked, version: int) -> None:
    await _like(session, event, version, active=False)


async def _like(
    session: AsyncSession, event: TweetLiked | TweetUnliked, version: int, *, active: bool
) -> None:
    if not await _hold(session, event.tweet_id):
        await execute(session, _LIKE, {**event.model_dump(), "active": active, "version": version})


async def _hold(session: AsyncSession, tweet_id: int) -> bool:
    """Locks the tweet's row, made where there is none yet; true for a deleted tweet.

    All that concerns one tweet takes its turn here, so that a like and the tweet that it is for,
    handled at the same moment by two workers, see each other.
    """
    deleted: bool = (await execute(session, _HOLD_TWEET, {"tweet_id": tweet_id})).scalar_one()
    return deleted
