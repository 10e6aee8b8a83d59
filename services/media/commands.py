"""Everything that changes records of pictures."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import outbox, plain_text

from .errors import AltNotAccepted
from .events import MediaExpired, MediaUploaded
from .models import Media
from .pictures import Picture

BATCH = 100
ALT_LENGTH = 1000


def described(alt: str) -> str:
    """The alt text as it is stored. Raises AltNotAccepted."""
    # A form in UTF-7 can contain half of a surrogate pair.
    storable = plain_text.is_storable(alt)
    alt = plain_text.clean(alt).strip()
    if len(alt) > ALT_LENGTH or not storable:
        raise AltNotAccepted(limit=ALT_LENGTH)
    return alt


async def record_upload(
    session: AsyncSession, owner_id: int, name: str, thumbnail: str, picture: Picture, alt: str
) -> int:
    """Makes the record of a picture whose two objects are in the store already; gives its id."""
    media = Media(
        owner_id=owner_id,
        name=name,
        content_type=picture.content_type,
        size=len(picture.content),
        width=picture.width,
        height=picture.height,
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
        content_type=media.content_type,
        size=media.size,
        thumbnail=media.thumbnail_path,
        alt=alt,
    )
    await outbox.record(session, event)
    return media.id


async def remove(session: AsyncSession, media_ids: Sequence[int]) -> None:
    """Hides the pictures for good; upkeep takes their objects from the store."""
    await session.exec(
        update(Media)
        .where(col(Media.id).in_(media_ids), col(Media.removed_at).is_(None))
        .values(removed_at=datetime.now(UTC))
    )


async def expire(session: AsyncSession, hours: float) -> int:
    """Asks tweets about pictures that it had time to take, once for each; gives how many."""
    statement = (
        select(Media)
        .where(
            col(Media.expired_at).is_(None),
            col(Media.removed_at).is_(None),
            col(Media.uploaded_at) < datetime.now(UTC) - timedelta(hours=hours),
        )
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    due = (await session.exec(statement)).all()
    for media in due:
        media.expired_at = datetime.now(UTC)
        await outbox.record(
            session, MediaExpired(media_id=media.id, owner_id=media.owner_id, path=media.path)
        )
    return len(due)


async def mark_purged(session: AsyncSession, media_ids: Sequence[int]) -> None:
    await session.exec(
        update(Media).where(col(Media.id).in_(media_ids)).values(purged_at=datetime.now(UTC))
    )
