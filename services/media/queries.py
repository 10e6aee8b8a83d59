"""Everything that reads the records of pictures."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import fetch

from .errors import MediaNotFound
from .models import Media, Portrait
from .pictures import THUMBNAIL_TYPE
from .storage import is_object_name

PORTRAIT_COLUMNS = (col(Portrait.small), col(Portrait.medium), col(Portrait.large))


class StoredFile(NamedTuple):
    """An object in the store."""

    name: str
    content_type: str
    size: int


async def file_by_name(session: AsyncSession, name: str) -> StoredFile:
    """The picture, thumbnail or portrait with this name.

    Raises MediaNotFound, also for a removed one.
    """
    if not is_object_name(name):
        raise MediaNotFound
    statement = select(Media).where(
        or_(col(Media.name) == name, col(Media.thumbnail) == name), col(Media.removed_at).is_(None)
    )
    media = (await session.exec(statement)).one_or_none()
    if media is None:
        return await _portrait_file(session, name)
    if name == media.thumbnail:
        return StoredFile(name, THUMBNAIL_TYPE, media.thumbnail_size or 0)
    return StoredFile(name, media.content_type, media.size)


async def _portrait_file(session: AsyncSession, name: str) -> StoredFile:
    statement = select(Portrait).where(_is_portrait([name]), col(Portrait.removed_at).is_(None))
    portrait = (await session.exec(statement)).one_or_none()
    if portrait is None:
        raise MediaNotFound
    return StoredFile(name, THUMBNAIL_TYPE, portrait.sizes[name])


def _is_portrait(names: Sequence[str]) -> ColumnElement[bool]:
    return or_(*(column.in_(names) for column in PORTRAIT_COLUMNS))


async def media_by_ids(session: AsyncSession, media_ids: Sequence[int]) -> Sequence[Media]:
    """The pictures among these ids that exist and are not removed."""
    statement = select(Media).where(col(Media.id).in_(media_ids), col(Media.removed_at).is_(None))
    return (await session.exec(statement)).all()


async def backup_in_progress(session: AsyncSession) -> bool:
    """Whether a backup holds its advisory lock: see operate/backup.py."""
    rows = await fetch(
        session, "select pg_try_advisory_xact_lock_shared(hashtext('warble-backup')) as is_free"
    )
    return not rows[0]["is_free"]


IS_LEFT_TO_PURGE = """
select from media where removed_at is not null and purged_at is null
union all
select from portrait where removed_at is not null and purged_at is null
limit 1
"""


async def media_to_purge(session: AsyncSession, limit: int) -> Sequence[Media]:
    """Removed pictures whose objects are still in the store."""
    statement = (
        select(Media)
        .where(col(Media.removed_at).is_not(None), col(Media.purged_at).is_(None))
        .order_by(col(Media.id))
        .limit(limit)
    )
    return (await session.exec(statement)).all()


async def portraits_to_purge(session: AsyncSession, limit: int) -> Sequence[Portrait]:
    """Removed pictures of people whose objects are still in the store."""
    statement = (
        select(Portrait)
        .where(col(Portrait.removed_at).is_not(None), col(Portrait.purged_at).is_(None))
        .order_by(col(Portrait.id))
        .limit(limit)
    )
    return (await session.exec(statement)).all()


async def recorded_names(session: AsyncSession, names: Sequence[str]) -> set[str]:
    """The names among these that belong to a record, as a picture, a thumbnail or a portrait."""
    pictures = set(await session.exec(select(Media.name).where(col(Media.name).in_(names))))
    thumbnails = select(Media.thumbnail).where(col(Media.thumbnail).in_(names))
    portraits = (await session.exec(select(Portrait).where(_is_portrait(names)))).all()
    return pictures.union(
        filter(None, await session.exec(thumbnails)),
        *(portrait.sizes for portrait in portraits),
    )
