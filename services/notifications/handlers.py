"""Applies the events of users and tweets to the tables of the projection."""

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import fetch
from chassis.messaging.subscriptions import Subscriptions
from chassis.privacy import erasure

from .events import (
    KeyCreated,
    SessionCreated,
    TagFollowed,
    TagUnfollowed,
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

subscriptions = Subscriptions("notifications", sources=("users", "tweets"))

_SET_NAME = """
insert into person (id, name, version) values ($1, $2, $3)
on conflict (id) do update set name = excluded.name, version = excluded.version
where person.version < excluded.version
"""


@subscriptions.on(UserRegistered)
async def on_user_registered(session: AsyncSession, event: UserRegistered, version: int) -> None:
    await fetch(session, _SET_NAME, event.user_id, event.name, version)


@subscriptions.on(UserRenamed)
async def on_user_renamed(session: AsyncSession, event: UserRenamed, version: int) -> None:
    await fetch(session, _SET_NAME, event.user_id, event.name, version)


@subscriptions.on(UserDeactivated)
async def on_user_deactivated(session: AsyncSession, event: UserDeactivated, version: int) -> None:
    pass


@subscriptions.on(UserErased)
async def on_user_erased(session: AsyncSession, event: UserErased, version: int) -> None:
    await erasure.mark_erased(session, event.user_id)


@subscriptions.on(UserFollowed)
async def on_user_followed(session: AsyncSession, event: UserFollowed, version: int) -> None:
    pass


@subscriptions.on(UserUnfollowed)
async def on_user_unfollowed(session: AsyncSession, event: UserUnfollowed, version: int) -> None:
    pass


@subscriptions.on(KeyCreated)
async def on_key_created(session: AsyncSession, event: KeyCreated, version: int) -> None:
    pass


@subscriptions.on(SessionCreated)
async def on_session_created(session: AsyncSession, event: SessionCreated, version: int) -> None:
    pass


@subscriptions.on(TagFollowed)
async def on_tag_followed(session: AsyncSession, event: TagFollowed, version: int) -> None:
    pass


@subscriptions.on(TagUnfollowed)
async def on_tag_unfollowed(session: AsyncSession, event: TagUnfollowed, version: int) -> None:
    pass


@subscriptions.on(TweetPosted)
async def on_tweet_posted(session: AsyncSession, event: TweetPosted, version: int) -> None:
    pass


@subscriptions.on(TweetDeleted)
async def on_tweet_deleted(session: AsyncSession, event: TweetDeleted, version: int) -> None:
    pass


@subscriptions.on(TweetLiked)
async def on_tweet_liked(session: AsyncSession, event: TweetLiked, version: int) -> None:
    pass


@subscriptions.on(TweetUnliked)
async def on_tweet_unliked(session: AsyncSession, event: TweetUnliked, version: int) -> None:
    pass
