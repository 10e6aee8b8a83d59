"""Sessions: how a browser stays signed in without storing the key.

Signing in sends the key once. The gateway creates a random token, sets it as a cookie that scripts
cannot read, and has this service store the token's SHA-256 digest as a session. A session has the
scope of its key and ends with it. Signing out ends the session here, so a copy of the cookie is
worthless from then on.

Ending a session publishes KeyRevoked like revoking a key: gateways then forget all cached keys and
sessions of the person.

An account at an identity provider starts a session without a key: see `sign_on`.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, text
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import Identity, KeyScope
from chassis.database import clock
from chassis.database.session import execute
from chassis.messaging import outbox

from ..errors import AccountScopeRequired, KeyEnded, ScopeTooWide, SessionNotFound
from ..events import KeyRevoked, SessionCreated
from ..models import ApiKey, Person, UserSession
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
    await open_session(
        session,
        UserSession(
            digest=digest,
            user_id=person.id,
            key_digest=key.digest,
            client=client,
            expires_at=clock.now() + lifetime,
        ),
    )


async def open_session(session: AsyncSession, user_session: UserSession) -> None:
    """Stores a new session. The caller has locked the person, who is active."""
    user_id = user_session.user_id
    await execute(session, _DELETE_OLD, {"user_id": user_id, "keep": MAX_SESSIONS - 1})
    is_signed_in = await _is_signed_in(session, user_id)
    client = "".join(filter(str.isprintable, user_session.client))
    user_session.client = client[:MAX_CLIENT_LENGTH]
    session.add(user_session)
    await session.flush()
    if is_signed_in:
        event = SessionCreated(user_id=user_id, session_id=user_session.id)
        await outbox.record(session, event)


async def _is_signed_in(session: AsyncSession, user_id: int) -> bool:
    """Whether the person has a session that can be used."""
    statement = (
        select(UserSession.id)
        .outerjoin(ApiKey, col(UserSession.key_digest) == col(ApiKey.digest))
        .where(
            col(UserSession.user_id) == user_id,
            UserSession.is_active(),
            UserSession.has_active_key(),
        )
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
        .outerjoin(ApiKey, col(UserSession.key_digest) == col(ApiKey.digest))
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
        check_may_end(caller, user_session, key, person)
    await _end(session, user_session)


def check_may_end(
    caller: Identity, user_session: UserSession, key: ApiKey | None, person: Person
) -> None:
    """Checks that the caller may end this session, which is not the caller's own.

    Raises AccountScopeRequired and ScopeTooWide.
    """
    if key is not None:
        check_may_revoke(caller, key, person)
    elif not caller.scope.covers(KeyScope.account):
        raise AccountScopeRequired
    elif not caller.scope.covers(user_session.scope_for(person, None)):
        raise ScopeTooWide


async def end_session_by_digest(session: AsyncSession, digest: bytes) -> UserSession | None:
    """Ends the session whose token has this digest, and returns it. Idempotent, also for an unknown
    one; then it returns None."""
    user_session = await session.get(UserSession, digest)
    if user_session is None or user_session.ended_at is not None:
        return None
    await lock_person(session, user_session.user_id)
    await _end(session, user_session)
    return user_session


async def end_sessions(
    session: AsyncSession, user_id: int, condition: ColumnElement[bool] | None = None
) -> None:
    """Ends all sessions of a person that fulfil the condition. The caller has locked the person."""
    statement = (
        update(UserSession)
        .where(col(UserSession.user_id) == user_id, col(UserSession.ended_at).is_(None))
        .values(ended_at=clock.now())
    )
    if condition is not None:
        statement = statement.where(condition)
    await session.exec(statement)
    await outbox.record(session, KeyRevoked(user_id=user_id))


def touch_session_last_used(user_session: UserSession) -> None:
    """Stores when the session was last used, every few minutes only, so that reads rarely write.

    A session that ends when it is unused stores it more often, so that it does not end while
    somebody uses it."""
    now = clock.now()
    interval = _LAST_USED_INTERVAL
    if user_session.idle_seconds is not None:
        interval = min(interval, timedelta(seconds=user_session.idle_seconds / 4))
    if now - user_session.used_at >= interval:
        user_session.used_at = now


async def _end(session: AsyncSession, user_session: UserSession) -> None:
    user_session.ended_at = clock.now()
    await outbox.record(session, KeyRevoked(user_id=user_session.user_id))
