"""Row locks that commands take first, people before anything else.

Two changes to one person are then made one after another. That matters for more than the row: the
id of an event is the new version of the person (`chassis.messaging.outbox`), and it is drawn while
the row is locked, so versions grow in the order of the commits. The lock is FOR NO KEY UPDATE: it
lets other transactions insert rows that refer to the person.
"""

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import execute

from ..errors import UserNotFound
from ..models import Person


async def lock_person(session: AsyncSession, user_id: int) -> Person:
    """The person, who may be deactivated or erased. Raises UserNotFound."""
    person = await session.get(Person, user_id, with_for_update={"key_share": True})
    if person is None:
        raise UserNotFound(user_id)
    return person


async def lock_active_person(session: AsyncSession, user_id: int) -> Person:
    """The person. Raises UserNotFound, also for a deactivated one."""
    person = await lock_person(session, user_id)
    if person.deactivated_at is not None:
        raise UserNotFound(user_id)
    return person


async def lock_administrators(session: AsyncSession) -> None:
    """Lets one transaction at a time change who is an administrator. Held until it ends.

    Take this lock before the lock of any person. Without it, two administrators who remove each
    other at the same moment would each see the other one still in place, and none would be left.
    """
    await execute(session, text("select pg_advisory_xact_lock(hashtext('administrators'))"))


async def lock_pair(session: AsyncSession, first_id: int, second_id: int) -> dict[int, Person]:
    """Both people, by id. They are locked in the order of their ids: two people who follow each
    other at the same moment would otherwise deadlock.

    Raises UserNotFound, about the first one if both are missing.
    """
    statement = (
        select(Person)
        .where(col(Person.id).in_((first_id, second_id)))
        .order_by(col(Person.id))
        .with_for_update(key_share=True)
    )
    people = {person.id: person for person in await session.exec(statement)}
    for user_id in (first_id, second_id):
        if user_id not in people:
            raise UserNotFound(user_id)
    return people
