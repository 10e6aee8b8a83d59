"""Giving roles to people, and taking them away."""

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.messaging import outbox

from ..events import KeyRevoked
from ..models import Person, Role
from .locks import lock_active_person, lock_person


async def give_role(session: AsyncSession, user_id: int, role: Role) -> bool:
    """Returns whether the person did not have the role before. Raises UserNotFound."""
    return await _set_role(session, await lock_active_person(session, user_id), role, has_role=True)


async def take_role(session: AsyncSession, user_id: int, role: Role) -> bool:
    """Returns whether the person, who may be deactivated, had the role. Raises UserNotFound."""
    return await _set_role(session, await lock_person(session, user_id), role, has_role=False)


async def _set_role(session: AsyncSession, person: Person, role: Role, *, has_role: bool) -> bool:
    if (role in person.roles) == has_role:
        return False
    setattr(person, role, has_role)
    # Gateways cache the roles with each key of the person. This event invalidates the cache.
    await outbox.record(session, KeyRevoked(user_id=person.id))
    return True
