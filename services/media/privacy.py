"""The personal data in media: what an export contains, and what an erasure deletes.

A change that adds a table or a column with a person's data changes both halves of this module.

*Export.* EXPORT_LISTS has the pictures that the person uploaded, and the picture of the person;
`chassis.privacy.export` explains the parameters. The gateway adds the pictures themselves to the
archive.

*Erasure.* The sweep hides a batch of the person's pictures first, in a transaction of its own, so
that nobody sees them while the store is unavailable. It then removes their objects from the store,
and deletes the records last: they are the only place that names the objects.
"""

import asyncio

from sqlmodel import col, delete, select

from chassis.database.session import Database
from chassis.privacy.erasure import DeadLetters, Eraser, Redaction

from . import commands
from .events import UserErased
from .handlers import subscriptions
from .models import Media, Portrait
from .storage import Storage

_PICTURES = """
select id as key, json_build_object(
    'id', id, 'file', name, 'content_type', content_type, 'size', size, 'width', width,
    'height', height, 'colour', colour, 'alt', alt, 'uploaded_at', uploaded_at
)::text as line
from media where owner_id = $1 and id > $2 and removed_at is null order by id limit $3
"""

_PORTRAIT = """
select id as key, json_build_object('file', large, 'uploaded_at', uploaded_at)::text as line
from portrait where user_id = $1 and id > $2 and removed_at is null order by id limit $3
"""

EXPORT_LISTS = {"pictures": _PICTURES, "portrait": _PORTRAIT}


def eraser(storage: Storage) -> Eraser:
    async def sweep(database: Database, user_id: int) -> int:
        async with database.transaction() as session:
            statement = select(Media).where(col(Media.owner_id) == user_id).limit(commands.BATCH)
            batch = (await session.exec(statement)).all()
            await commands.mark_removed(session, [media.id for media in batch])
            of_person = select(Portrait).where(col(Portrait.user_id) == user_id)
            portraits = (await session.exec(of_person.limit(commands.BATCH))).all()
            # Without an event: services with a copy of the paths delete it with the person.
            await commands.mark_portrait_removed(session, user_id)
        names = [name for media in batch for name in (media.name, media.thumbnail) if name]
        names += [name for portrait in portraits for name in portrait.sizes]
        await asyncio.gather(*map(storage.remove, names))
        async with database.transaction() as session:
            in_batch = col(Media.id).in_([media.id for media in batch])
            await session.exec(delete(Media).where(in_batch))
            in_batch = col(Portrait.id).in_([portrait.id for portrait in portraits])
            await session.exec(delete(Portrait).where(in_batch))
        return len(batch) + len(portraits)

    redactions = {
        "media.uploaded.v1": Redaction("owner_id", {"path": "", "thumbnail": "", "alt": ""}),
        "media.expired.v1": Redaction("owner_id", {"path": ""}),
        "person.pictured.v1": Redaction("user_id", {"picture": None}),
    }
    # `tweet.deleted.v1` names the author. The class with which media reads it omits that field.
    dead_letters = DeadLetters(subscriptions, UserErased, ("author_id",))
    return Eraser(sweep, redactions, dead_letters)
