"""Reactions to events of other services: pictures are uploaded or expire, a person is erased.

The handlers commute: an event that arrives twice or late changes nothing that matters. A picture's
record is inserted only once, and an erased person's tombstone stops events that arrive after it.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.messaging import outbox
from chassis.messaging.subscriptions import Subscriptions
from chassis.privacy import erasure

from . import attachments
from .events import MediaExpired, MediaReleased, MediaUploaded, UserErased
from .models import Media

subscriptions = Subscriptions("tweets", sources=("users", "media"))


@subscriptions.on(UserErased)
async def on_user_erased(session: AsyncSession, event: UserErased, version: int) -> None:
    await erasure.mark_erased(session, event.user_id)


@subscriptions.on(MediaUploaded)
async def on_media_uploaded(session: AsyncSession, event: MediaUploaded, version: int) -> None:
    if await erasure.is_erased(session, event.owner_id):
        return
    record = event.model_dump(exclude={"media_id"})
    await attachments.store_record(session, Media(id=event.media_id, **record))


@subscriptions.on(MediaExpired)
async def on_media_expired(session: AsyncSession, event: MediaExpired, version: int) -> None:
    """Hands a picture back to media, which deletes it, unless a tweet has the picture.

    Media publishes this event about every picture once it is a day old. `closed` is set under the
    row's lock, so either a tweet attaches the picture first and it stays, or it is closed first and
    the tweet is refused. The record is inserted if the event of the upload has not arrived yet:
    a later one then cannot make the picture available again.
    """
    if await erasure.is_erased(session, event.owner_id):
        return
    await attachments.store_record(
        session, Media(id=event.media_id, owner_id=event.owner_id, path=event.path)
    )
    media = await session.get_one(Media, event.media_id, with_for_update=True)
    if media.tweet_id is None:
        media.closed = True
        await outbox.record(session, MediaReleased(media_id=event.media_id))
