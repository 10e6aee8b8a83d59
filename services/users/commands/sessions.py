"""Sessions: signing in exchanges a key for one, and signing out ends it for every copy of it."""

from datetime import timedelta

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import clock, outbox
from chassis.database import execute
from chassis.identity import Identity

from ..errors import KeyEnded, SessionNotFound
from ..events import KeyRevoked
from ..models import ApiKey, UserSession
from .keys import check_may_end
from .locks import known, locked

MAX_SESSIONS = 50
"""Per person. The oldest ones make room for a new one."""
CLIENT_LENGTH = 200
"""Characters of the User-Agent header that are stored."""
USE_NOTED_EVERY = timedelta(minutes=5)

# Rows of sessions that have expired go when their person signs in again.
_DELETE_OLD = text("""
delete from user_session
where user_id = :user_id and (expires_at <= now() or id in (
    select id from user_session
    where user_id = :user_id order by id desc offset :kept
))
""")


async def start_session(
    session: AsyncSession,
    digest: bytes,
    key_digest: bytes,
    *,
    client: str,
    lifetime: timedelta,
) -> None:
    """Starts a session for the owner of a key. Raises KeyEnded unless the key may be used."""
    statement = select(ApiKey).where(col(ApiKey.digest) == key_digest, ApiKey.is_active())
    key = (await session.exec(statement)).one_or_none()
    if key is None:
        raise KeyEnded
    person = await known(session, key.user_id)
    if person.deactivated_at is not None:
        raise KeyEnded
    await execute(session, _DELETE_OLD, {"user_id": person.id, "kept": MAX_SESSIONS - 1})
    session.add(
        UserSession(
            digest=digest,
            user_id=person.id,
            key_digest=key.digest,
            client="".join(filter(str.isprintable, client))[:CLIENT_LENGTH],
            expires_at=clock.now() + lifetime,
        )
    )


async def end_session(
    session: AsyncSession, user_id: int, session_id: int, *, by: Identity
) -> None:
    """Raises UserNotFound, SessionNotFound, AccountScopeRequired, ScopeTooWide."""
    person = await locked(session, user_id)
    statement = (
        select(UserSession, ApiKey)
        .join(ApiKey, col(UserSession.key_digest) == col(ApiKey.digest))
        .where(
            col(UserSession.id) == session_id,
            col(UserSession.user_id) == user_id,
            UserSession.is_active(),
        )
    )
    found = (await session.exec(statement)).one_or_none()
    if found is None:
        raise SessionNotFound
    ended, key = found
    if by.session_id != ended.id:
        check_may_end(by, key, person)
    await _end(session, ended)


async def end_session_by_digest(session: AsyncSession, digest: bytes) -> None:
    """Ends the session whose token has this digest. Idempotent, also for an unknown one."""
    ended = await session.get(UserSession, digest)
    if ended is not None and ended.ended_at is None:
        await known(session, ended.user_id)
        await _end(session, ended)


async def note_session_use(user_session: UserSession) -> None:
    """Notes that the session is used, at most every few minutes, so that reads rarely write."""
    now = clock.now()
    if now - user_session.used_at >= USE_NOTED_EVERY:
        user_session.used_at = now


async def _end(session: AsyncSession, ended: UserSession) -> None:
    ended.ended_at = clock.now()
    await outbox.record(session, KeyRevoked(user_id=ended.user_id))
