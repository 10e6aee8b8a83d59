"""What media does when tweets take pictures and let them go. The handlers commute."""

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.subscriptions import Subscriptions

from . import commands
from .events import MediaReleased, TweetDeleted, TweetPosted

subscriptions = Subscriptions("media")


def _has_pictures(event: TweetPosted | TweetDeleted) -> bool:
    return bool(event.media_ids)


@subscriptions.on(TweetPosted, when=_has_pictures)
async def on_tweet_posted(session: AsyncSession, event: TweetPosted, version: int) -> None:
    await commands.take(session, event.media_ids, event.tweet_id)


@subscriptions.on(TweetDeleted, when=_has_pictures)
async def on_tweet_deleted(session: AsyncSession, event: TweetDeleted, version: int) -> None:
    await commands.take(session, event.media_ids, event.tweet_id)
    await commands.remove(session, event.media_ids)


@subscriptions.on(MediaReleased)
async def on_media_released(session: AsyncSession, event: MediaReleased, version: int) -> None:
    await commands.remove(session, [event.media_id])
