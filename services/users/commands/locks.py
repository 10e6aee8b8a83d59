"""Rows that a command changes are locked first, people before all else.

So two changes to one person take their turns, and draw the numbers of their events in turn too.
"""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..errors import UserNotFound
from ..models import Person


async def known(session: AsyncSession, user_id: int) -> Person:
    person = await session.get(Person, user_id, with_for_update={"key_share": True})
    if person is None:
        raise UserNotFound
    return person


async def locked(session: AsyncSession, user_id: int) -> Person:
    person = await known(session, user_id)
    if person.deactivated_at is not None:
        raise UserNotFound
    return person


async def locked_pair(session: AsyncSession, one: int, other: int) -> dict[int, Person]:
    """Both people, locked in the order of their ids: two who follow each other cannot deadlock."""
    statement = (
        select(Person)
        .where(col(Person.id).in_((one, other)))
        .order_by(col(Person.id))
        .with_for_update(key_share=True)
    )
    people = {person.id: person for person in await session.exec(statement)}
    if not {one, other} <= people.keys():
        raise UserNotFound
    return people
