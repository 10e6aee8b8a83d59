"""Adding and removing administrators. At least one active administrator always remains."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.messaging import outbox

from ..errors import LastAdministrator
from ..events import KeyRevoked
from ..models import Person
from .locks import lock_active_person, lock_administrators, lock_person


async def add_administrator(session: AsyncSession, user_id: int) -> bool:
    """Makes a person an administrator. Returns whether the person was not one before.

    Raises UserNotFound.
    """
    await lock_administrators(session)
    return await _set_role(session, await lock_active_person(session, user_id), administrator=True)


async def remove_administrator(session: AsyncSession, user_id: int) -> bool:
    """Removes the role. Returns whether the person had it.

    Raises UserNotFound and LastAdministrator.
    """
    await lock_administrators(session)
    person = await lock_person(session, user_id)
    await require_another_administrator(session, person)
    return await _set_role(session, person, administrator=False)


async def require_another_administrator(session: AsyncSession, person: Person) -> None:
    """Raises LastAdministrator if this person is the only active administrator.

    The caller holds `lock_administrators` until the end of the transaction.
    """
    if not person.administrator or person.deactivated_at is not None:
        return
    others = select(Person.id).where(
        col(Person.administrator),
        col(Person.deactivated_at).is_(None),
        col(Person.id) != person.id,
    )
    if (await session.exec(others.limit(1))).first() is None:
        raise LastAdministrator


async def _set_role(session: AsyncSession, person: Person, *, administrator: bool) -> bool:
    if person.administrator == administrator:
        return False
    person.administrator = administrator
    # Gateways cache the role with each key of the person. This event invalidates the cache.
    await outbox.record(session, KeyRevoked(user_id=person.id))
    return True
