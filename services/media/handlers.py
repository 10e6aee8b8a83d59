"""What media does when tweets let pictures go. The handlers commute.

Which pictures are on a tweet, media need not know: it asks tweets about each, once, when a tweet
has had a day to take it (`commands.expire`).
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.subscriptions import Subscriptions

from . import commands
from .events import MediaReleased, TweetDeleted

subscriptions = Subscriptions("media", retired=("tweet.posted.v1",))


def _has_pictures(event: TweetDeleted) -> bool:
    return bool(event.media_ids)


@subscriptions.on(TweetDeleted, when=_has_pictures)
async def on_tweet_deleted(session: AsyncSession, event: TweetDeleted, version: int) -> None:
    await commands.remove(session, event.media_ids)


@subscriptions.on(MediaReleased)
async def on_media_released(session: AsyncSession, event: MediaReleased, version: int) -> None:
    await commands.remove(session, [event.media_id])
