"""Rows that a command changes are locked first, people before all else.

So two changes to one person take their turns, and draw the numbers of their events in turn too.
"""

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import execute

from ..errors import UserNotFound
from ..models import Person


async def known(session: AsyncSession, user_id: int) -> Person:
    person = await session.get(Person, user_id, with_for_update={"key_share": True})
    if person is None:
        raise UserNotFound(user_id)
    return person


async def locked(session: AsyncSession, user_id: int) -> Person:
    person = await known(session, user_id)
    if person.deactivated_at is not None:
        raise UserNotFound(user_id)
    return person


async def lock_administrators(session: AsyncSession) -> None:
    """Lets one transaction at a time change who is an administrator, until it ends.

    Take it before the lock on any person. Without it, two administrators who remove each other at
    the same moment would each see the other one still in place, and none would be left.
    """
    await execute(session, text("select pg_advisory_xact_lock(hashtext('administrators'))"))


async def locked_pair(session: AsyncSession, one: int, other: int) -> dict[int, Person]:
    """Both people, locked in the order of their ids: two who follow each other cannot deadlock.

    Raises UserNotFound, about `one` if both are missing.
    """
    statement = (
        select(Person)
        .where(col(Person.id).in_((one, other)))
        .order_by(col(Person.id))
        .with_for_update(key_share=True)
    )
    people = {person.id: person for person in await session.exec(statement)}
    for user_id in (one, other):
        if user_id not in people:
            raise UserNotFound(user_id)
    return people
