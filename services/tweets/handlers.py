"""What tweets does when pictures come and go, and when a person is erased."""

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import erasure, outbox
from chassis.subscriptions import Subscriptions

from . import attachments
from .events import MediaExpired, MediaReleased, MediaUploaded, UserErased
from .models import Media

subscriptions = Subscriptions("tweets", sources=("users", "media"))


@subscriptions.on(UserErased)
async def on_user_erased(session: AsyncSession, event: UserErased, version: int) -> None:
    await erasure.hear(session, event.user_id)


@subscriptions.on(MediaUploaded)
async def on_media_uploaded(session: AsyncSession, event: MediaUploaded, version: int) -> None:
    if await erasure.heard(session, event.owner_id):
        return
    record = event.model_dump(exclude={"media_id"})
    await attachments.remember(session, Media(id=event.media_id, **record))


@subscriptions.on(MediaExpired)
async def on_media_expired(session: AsyncSession, event: MediaExpired, version: int) -> None:
    """Gives the picture back, unless a tweet took it after all: then it stays where it is."""
    if await erasure.heard(session, event.owner_id):
        return
    await attachments.remember(
        session, Media(id=event.media_id, owner_id=event.owner_id, path=event.path)
    )
    media = await session.get_one(Media, event.media_id, with_for_update=True)
    if media.tweet_id is None:
        media.closed = True
        await outbox.record(session, MediaReleased(media_id=event.media_id))
