"""Who is an administrator. An active administrator always remains."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import outbox

from ..errors import LastAdministrator
from ..events import KeyRevoked
from ..models import Person
from .locks import known, lock_administrators, locked


async def add_administrator(session: AsyncSession, user_id: int) -> bool:
    """Makes a person an administrator; false where the person is one already.

    Raises UserNotFound.
    """
    await lock_administrators(session)
    return await _set_role(session, await locked(session, user_id), administrator=True)


async def remove_administrator(session: AsyncSession, user_id: int) -> bool:
    """Takes the role away; false where the person does not have it.

    Raises UserNotFound and LastAdministrator.
    """
    await lock_administrators(session)
    person = await known(session, user_id)
    await require_another_administrator(session, person)
    return await _set_role(session, person, administrator=False)


async def require_another_administrator(session: AsyncSession, person: Person) -> None:
    """Raises LastAdministrator if this person is the only active administrator.

    The caller holds `lock_administrators` until the end of the transaction.
    """
    if not person.administrator or person.deactivated_at is not None:
        return
    another = select(Person.id).where(
        col(Person.administrator),
        col(Person.deactivated_at).is_(None),
        col(Person.id) != person.id,
    )
    if (await session.exec(another.limit(1))).first() is None:
        raise LastAdministrator


async def _set_role(session: AsyncSession, person: Person, *, administrator: bool) -> bool:
    if person.administrator == administrator:
        return False
    person.administrator = administrator
    # Gateways remember the role with each key of the person, and forget it by this event.
    await outbox.record(session, KeyRevoked(user_id=person.id))
    return True
