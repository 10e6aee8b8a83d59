"""Everything that changes the records of pictures."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import plain_text
from chassis.database.session import AnySession, execute, fetch
from chassis.messaging import outbox

from .errors import AltNotAccepted
from .events import MediaExpired, MediaUploaded, PersonPictured, PicturePaths
from .models import Media, Portrait, path_of
from .pictures import Picture

_REMOVE = """
update media set removed_at = now() where id = any($1::bigint[]) and removed_at is null
"""
# $1 the age in hours, $2 the limit.
_EXPIRE = """
update media set expired_at = now()
where id = any(array(
    select id from media
    where expired_at is null and removed_at is null
        and uploaded_at < now() - $1::float8 * interval '1 hour'
    limit $2 for update skip locked
))
returning id, owner_id, name
"""

BATCH = 100
MAX_ALT_LENGTH = 1000

_LOCK_PORTRAIT = text("select pg_advisory_xact_lock(hashtextextended('portrait', :user_id))")


def clean_alt(alt: str) -> str:
    """The alternative text in the form in which it is stored. Raises AltNotAccepted."""
    # A form in UTF-7 can contain half of a surrogate pair, which PostgreSQL cannot store.
    storable = plain_text.is_storable(alt)
    alt = plain_text.clean(alt).strip()
    if len(alt) > MAX_ALT_LENGTH or not storable:
        raise AltNotAccepted(limit=MAX_ALT_LENGTH)
    return alt


async def record_upload(
    session: AsyncSession, owner_id: int, name: str, thumbnail: str, picture: Picture, alt: str
) -> int:
    """Records a picture whose two objects are in the store already. Returns its id."""
    media = Media(
        owner_id=owner_id,
        name=name,
        content_type=picture.content_type,
        size=len(picture.content),
        width=picture.width,
        height=picture.height,
        colour=picture.colour,
        thumbnail=thumbnail,
        thumbnail_size=len(picture.thumbnail),
        alt=alt,
    )
    session.add(media)
    await session.flush()
    event = MediaUploaded(
        media_id=media.id,
        owner_id=owner_id,
        path=media.path,
        width=media.width,
        height=media.height,
        colour=media.colour,
        content_type=media.content_type,
        size=media.size,
        thumbnail=media.thumbnail_path,
        alt=alt,
    )
    await outbox.record(session, event)
    return media.id


async def set_portrait(session: AsyncSession, portrait: Portrait, actor_id: int) -> PicturePaths:
    """Gives a person another picture, whose objects are in the store already."""
    await mark_portrait_removed(session, portrait.user_id)
    session.add(portrait)
    await session.flush()
    paths = PicturePaths(**portrait.paths)
    event = PersonPictured(actor_id=actor_id, user_id=portrait.user_id, picture=paths)
    await outbox.record(session, event)
    return paths


async def delete_portrait(session: AsyncSession, user_id: int, actor_id: int) -> None:
    """Idempotent."""
    if await mark_portrait_removed(session, user_id):
        event = PersonPictured(actor_id=actor_id, user_id=user_id, picture=None)
        await outbox.record(session, event)


async def mark_portrait_removed(session: AsyncSession, user_id: int) -> bool:
    """Hides the person's picture, if there is one; returns whether there was. A job deletes its
    objects from the store later."""
    # A person without a picture has no row to lock.
    await execute(session, _LOCK_PORTRAIT, {"user_id": user_id})
    removed = await session.exec(
        update(Portrait)
        .where(col(Portrait.user_id) == user_id, col(Portrait.removed_at).is_(None))
        .values(removed_at=datetime.now(UTC))
    )
    return removed.rowcount > 0


async def mark_removed(session: AnySession, media_ids: Sequence[int]) -> None:
    """Hides the pictures for good. A job deletes their objects from the store later. Idempotent."""
    await fetch(session, _REMOVE, media_ids)


async def expire_unattached(session: AnySession, hours: float) -> int:
    """Publishes `media.expired.v1` about a batch of older pictures, once each. Returns how many.

    Tweets then releases those that are not attached: see `handlers`.
    """
    expired = await fetch(session, _EXPIRE, hours, BATCH)
    for media in expired:
        event = MediaExpired(
            media_id=media["id"], owner_id=media["owner_id"], path=path_of(media["name"])
        )
        await outbox.record(session, event)
    return len(expired)


async def mark_purged(
    session: AsyncSession, media_ids: Sequence[int], portrait_ids: Sequence[int]
) -> None:
    """Notes that the objects of these pictures are no longer in the store."""
    now = datetime.now(UTC)
    await session.exec(update(Media).where(col(Media.id).in_(media_ids)).values(purged_at=now))
    in_batch = col(Portrait.id).in_(portrait_ids)
    await session.exec(update(Portrait).where(in_batch).values(purged_at=now))
