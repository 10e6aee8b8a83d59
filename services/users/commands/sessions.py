"""Sessions: how a browser stays signed in without storing the key.

Signing in sends the key once. The gateway creates a random token, sets it as a cookie that scripts
cannot read, and has this service store the token's SHA-256 digest as a session. A session has the
scope of its key and ends with it. Signing out ends the session here, so a copy of the cookie is
worthless from then on.

Ending a session publishes KeyRevoked like revoking a key: gateways then forget all cached keys and
sessions of the person.
"""

from datetime import timedelta

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import Identity
from chassis.database import clock
from chassis.database.session import execute
from chassis.messaging import outbox

from ..errors import KeyEnded, SessionNotFound
from ..events import KeyRevoked, SessionCreated
from ..models import ApiKey, UserSession
from .keys import check_may_revoke
from .locks import lock_active_person, lock_person

MAX_SESSIONS = 50
"""Per person. A new session replaces the oldest one."""
MAX_CLIENT_LENGTH = 200
"""How many characters of the User-Agent header are stored."""
_LAST_USED_INTERVAL = timedelta(minutes=5)

# Signing in again deletes the person's expired sessions.
_DELETE_OLD = text("""
delete from user_session
where user_id = :user_id and (expires_at <= now() or id in (
    select id from user_session
    where user_id = :user_id order by id desc offset :keep
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
    """Starts a session for the owner of a key. Raises KeyEnded unless the key is active.

    `digest` is that of the new session's token.
    """
    statement = select(ApiKey).where(col(ApiKey.digest) == key_digest, ApiKey.is_active())
    key = (await session.exec(statement)).one_or_none()
    if key is None:
        raise KeyEnded
    person = await lock_person(session, key.user_id)
    if person.deactivated_at is not None:
        raise KeyEnded
    await execute(session, _DELETE_OLD, {"user_id": person.id, "keep": MAX_SESSIONS - 1})
    is_signed_in = await _is_signed_in(session, person.id)
    row = UserSession(
        digest=digest,
        user_id=person.id,
        key_digest=key.digest,
        client="".join(filter(str.isprintable, client))[:MAX_CLIENT_LENGTH],
        expires_at=clock.now() + lifetime,
    )
    session.add(row)
    await session.flush()
    if is_signed_in:
        await outbox.record(session, SessionCreated(user_id=person.id, session_id=row.id))


async def _is_signed_in(session: AsyncSession, user_id: int) -> bool:
    """Whether the person has a session that can be used."""
    statement = (
        select(UserSession.id)
        .join(ApiKey, col(UserSession.key_digest) == col(ApiKey.digest))
        .where(col(UserSession.user_id) == user_id, UserSession.is_active(), ApiKey.is_active())
        .limit(1)
    )
    return (await session.exec(statement)).first() is not None


async def end_session(
    session: AsyncSession, user_id: int, session_id: int, *, caller: Identity
) -> None:
    """Raises UserNotFound, SessionNotFound, AccountScopeRequired, ScopeTooWide."""
    person = await lock_active_person(session, user_id)
    statement = (
        select(UserSession, ApiKey)
        .join(ApiKey, col(UserSession.key_digest) == col(ApiKey.digest))
        .where(
            col(UserSession.id) == session_id,
            col(UserSession.user_id) == user_id,
            UserSession.is_active(),
        )
    )
    row = (await session.exec(statement)).one_or_none()
    if row is None:
        raise SessionNotFound
    user_session, key = row
    if caller.session_id != user_session.id:
        check_may_revoke(caller, key, person)
    await _end(session, user_session)


async def end_session_by_digest(session: AsyncSession, digest: bytes) -> None:
    """Ends the session whose token has this digest. Idempotent, also for an unknown one."""
    user_session = await session.get(UserSession, digest)
    if user_session is not None and user_session.ended_at is None:
        await lock_person(session, user_session.user_id)
        await _end(session, user_session)


async def touch_session_last_used(user_session: UserSession) -> None:
    """Stores when the session was last used, every few minutes only, so that reads rarely write."""
    now = clock.now()
    if now - user_session.used_at >= _LAST_USED_INTERVAL:
        user_session.used_at = now


async def _end(session: AsyncSession, user_session: UserSession) -> None:
    user_session.ended_at = clock.now()
    await outbox.record(session, KeyRevoked(user_id=user_session.user_id))
