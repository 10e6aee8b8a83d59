"""What is a person's in media, for the job that takes it away: objects, then their records."""

import asyncio

from sqlmodel import col, delete, select

from chassis.database import Database
from chassis.erasure import Eraser, Told

from . import commands
from .handlers import subscriptions
from .models import Media
from .storage import Storage


def eraser(storage: Storage) -> Eraser:
    async def sweep(database: Database, user_id: int) -> int:
        async with database.transaction() as session:
            theirs = select(Media).where(col(Media.owner_id) == user_id).limit(commands.BATCH)
            doomed = (await session.exec(theirs)).all()
            # Nobody sees them from here on, however long the store is away.
            await commands.remove(session, [media.id for media in doomed])
        names = [name for media in doomed for name in (media.name, media.thumbnail) if name]
        await asyncio.gather(*map(storage.remove, names))
        async with database.transaction() as session:
            gone = col(Media.id).in_([media.id for media in doomed])
            await session.exec(delete(Media).where(gone))
        return len(doomed)

    told = {
        "media.uploaded.v1": Told("owner_id", {"path": "", "thumbnail": "", "alt": ""}),
        "media.expired.v1": Told("owner_id", {"path": ""}),
    }
    return Eraser(sweep, told, subscriptions)
