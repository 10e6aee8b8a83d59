"""What media does when tweets let pictures go, and when a person is erased.

The handlers commute. Which pictures are on a tweet, media need not know: it asks tweets about each,
once, when a tweet has had a day to take it (`commands.expire`).
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import erasure
from chassis.subscriptions import Subscriptions

from . import commands
from .events import MediaReleased, TweetDeleted, UserErased

subscriptions = Subscriptions("media", sources=("users", "tweets"), retired=("tweet.posted.v1",))


def _has_pictures(event: TweetDeleted) -> bool:
    return bool(event.media_ids)


@subscriptions.on(TweetDeleted, when=_has_pictures)
async def on_tweet_deleted(session: AsyncSession, event: TweetDeleted, version: int) -> None:
    await commands.remove(session, event.media_ids)


@subscriptions.on(UserErased)
async def on_user_erased(session: AsyncSession, event: UserErased, version: int) -> None:
    await erasure.hear(session, event.user_id)


@subscriptions.on(MediaReleased)
async def on_media_released(session: AsyncSession, event: MediaReleased, version: int) -> None:
    await commands.remove(session, [event.media_id])
