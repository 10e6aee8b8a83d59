"""Reactions to events of other services: a deleted tweet, an unattached picture, an erased person.

How an unattached picture is deleted: media does not know which pictures are attached to tweets, and
must not guess it from events, because events may be late. Tweets decides, in three steps.

1. When a picture is older than MEDIA_UNATTACHED_TTL_HOURS, a job publishes `media.expired.v1`, once
   (`commands.expire_unattached`).
2. Tweets locks its copy of the record. If the picture is attached, nothing happens. If not, tweets
   closes the picture, so that it can never be attached any more, and publishes `media.released.v1`.
3. Media removes the picture. An attached picture is removed when its tweet is deleted.

The handlers commute: they only set `removed_at`, once, so the order of the events does not matter.
"""

from chassis.database.session import AnySession
from chassis.messaging.subscriptions import Subscriptions
from chassis.privacy import erasure

from . import commands
from .events import MediaReleased, TweetDeleted, UserErased

subscriptions = Subscriptions("media", sources=("users", "tweets"), retired=("tweet.posted.v1",))


def _has_media(event: TweetDeleted) -> bool:
    return bool(event.media_ids)


@subscriptions.on(TweetDeleted, when=_has_media)
async def on_tweet_deleted(session: AnySession, event: TweetDeleted, version: int) -> None:
    await commands.mark_removed(session, event.media_ids)


@subscriptions.on(UserErased)
async def on_user_erased(session: AnySession, event: UserErased, version: int) -> None:
    await erasure.mark_erased(session, event.user_id)


@subscriptions.on(MediaReleased)
async def on_media_released(session: AnySession, event: MediaReleased, version: int) -> None:
    await commands.mark_removed(session, [event.media_id])
