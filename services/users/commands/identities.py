"""Accounts at identity providers that are linked to people."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..errors import AnotherIdentityLinked, IdentityNotFound, IdentityTaken
from ..models import LinkedIdentity, UserSession
from .locks import lock_account, lock_active_person
from .sessions import end_sessions


async def link_identity(session: AsyncSession, user_id: int, issuer: str, subject: str) -> bool:
    """Links an account to a person, as an administrator. Returns whether it was not linked before.

    Raises UserNotFound, IdentityTaken and AnotherIdentityLinked.
    """
    await lock_account(session, issuer, subject)
    await lock_active_person(session, user_id)
    identity = await identity_of_account(session, issuer, subject)
    if identity is not None and identity.user_id == user_id:
        return False
    if identity is not None:
        raise IdentityTaken
    if await has_identity(session, user_id, issuer):
        raise AnotherIdentityLinked
    await add_identity(session, user_id, issuer, subject)
    return True


async def unlink_identity(session: AsyncSession, user_id: int, issuer: str) -> None:
    """Removes the link and ends the sessions that it started.

    Raises UserNotFound and IdentityNotFound.
    """
    await lock_active_person(session, user_id)
    statement = select(LinkedIdentity).where(
        col(LinkedIdentity.user_id) == user_id, col(LinkedIdentity.issuer) == issuer
    )
    identity = (await session.exec(statement)).one_or_none()
    if identity is None:
        raise IdentityNotFound
    await end_sessions(session, user_id, col(UserSession.identity_id) == identity.id)
    await session.delete(identity)


async def identity_of_account(
    session: AsyncSession, issuer: str, subject: str
) -> LinkedIdentity | None:
    statement = select(LinkedIdentity).where(
        col(LinkedIdentity.issuer) == issuer, col(LinkedIdentity.subject) == subject
    )
    return (await session.exec(statement)).one_or_none()


async def has_identity(session: AsyncSession, user_id: int, issuer: str) -> bool:
    statement = select(LinkedIdentity.id).where(
        col(LinkedIdentity.user_id) == user_id, col(LinkedIdentity.issuer) == issuer
    )
    return (await session.exec(statement)).first() is not None


async def add_identity(
    session: AsyncSession, user_id: int, issuer: str, subject: str
) -> LinkedIdentity:
    identity = LinkedIdentity(user_id=user_id, issuer=issuer, subject=subject)
    session.add(identity)
    await session.flush()
    return identity
