"""Locks that commands take first, people before any other row.

Two changes to one person then happen one after another. That matters for more than the row: the
id of an event is the new version of the person (`chassis.messaging.outbox`), and it is drawn while
the row is locked, so versions grow in the order of the commits. The lock is FOR NO KEY UPDATE: it
lets other transactions insert rows that refer to the person.
"""

import hashlib

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import execute

from ..errors import UserNotFound
from ..models import Person

_LOCK_NAME = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")


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


async def lock_account(session: AsyncSession, issuer: str, subject: str) -> None:
    """Lets one transaction at a time link an account at an identity provider, or sign on with it.
    Held until it ends."""
    await execute(session, _LOCK_NAME, {"name": f"{issuer} {subject}"})


async def lock_provider_session(session: AsyncSession, issuer: str, session_id: str | None) -> None:
    """Puts a sign-on and a logout of one session at an identity provider in an order. Held until
    the transaction ends."""
    if session_id is not None:
        digest = hashlib.sha256(f"{issuer} {session_id}".encode()).hexdigest()
        await execute(session, _LOCK_NAME, {"name": f"session {digest}"})
