"""Everything that reads records of pictures."""

from collections.abc import Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from .errors import MediaNotFound
from .models import Media
from .storage import is_name


async def media_by_name(session: AsyncSession, name: str) -> Media:
    """Raises MediaNotFound, also for a removed one."""
    if not is_name(name):
        raise MediaNotFound
    statement = select(Media).where(col(Media.name) == name, col(Media.removed_at).is_(None))
    media = (await session.exec(statement)).one_or_none()
    if media is None:
        raise MediaNotFound
    return media


async def media_by_ids(session: AsyncSession, media_ids: Sequence[int]) -> Sequence[Media]:
    """Those that are there and not removed."""
    statement = select(Media).where(col(Media.id).in_(media_ids), col(Media.removed_at).is_(None))
    return (await session.exec(statement)).all()


async def unpurged(session: AsyncSession, limit: int) -> list[tuple[int, str]]:
    """Id and name of removed pictures whose objects are still in the store."""
    statement = (
        select(Media.id, Media.name)
        .where(col(Media.removed_at).is_not(None), col(Media.purged_at).is_(None))
        .order_by(col(Media.id))
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await session.exec(statement)]


async def known_names(session: AsyncSession, names: Sequence[str]) -> set[str]:
    return set(await session.exec(select(Media.name).where(col(Media.name).in_(names))))
