"""Back-channel logout: sessions that an identity provider reports as ended.

A logout may arrive while a sign-on of the same session is in progress. The logout is stored, and a
lock puts both in an order: either the logout finds the session, or the sign-on finds the logout.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import clock
from chassis.database.session import execute

from ..errors import LogoutNotAccepted
from ..models import LinkedIdentity, LogoutToken, UserSession
from ..openid import Logout, SignedOnAccount
from .locks import lock_account, lock_person, lock_provider_session
from .sessions import end_sessions

_RETENTION = timedelta(days=2)
"""Longer than a logout_token can be valid, and than a sign-on can be in progress."""

# A request at a time deletes what has expired, so that the table stays small without a job.
_DELETE_OLD_LOGOUTS = text("""
delete from logout_token where (issuer, jti) in (
    select issuer, jti from logout_token where received_at <= :until limit 100
    for update skip locked
)
""")


async def log_out(session: AsyncSession, logout: Logout) -> list[int]:
    """Ends the sessions that a provider reports as ended; returns whose they were.

    Raises LogoutNotAccepted if the report was accepted before.
    """
    await execute(session, _DELETE_OLD_LOGOUTS, {"until": clock.now() - _RETENTION})
    # In the order of a sign-on, because both may wait for each other's second lock otherwise.
    if logout.subject is not None:
        await lock_account(session, logout.issuer, logout.subject)
    await lock_provider_session(session, logout.issuer, logout.session_id)
    if await session.get(LogoutToken, (logout.issuer, logout.jti)) is not None:
        raise LogoutNotAccepted
    session.add(
        LogoutToken(
            issuer=logout.issuer,
            jti=logout.jti,
            subject=logout.subject,
            provider_session_id=logout.session_id,
            issued_at=datetime.fromtimestamp(logout.issued_at, UTC),
        )
    )
    identities = select(LinkedIdentity.id).where(col(LinkedIdentity.issuer) == logout.issuer)
    if logout.subject is not None:
        identities = identities.where(col(LinkedIdentity.subject) == logout.subject)
    ended: ColumnElement[bool] = col(UserSession.identity_id).in_(identities)
    if logout.session_id is not None:
        ended = and_(ended, col(UserSession.provider_session_id) == logout.session_id)
    owners = (
        select(UserSession.user_id)
        .where(ended, col(UserSession.ended_at).is_(None))
        .distinct()
        .order_by(col(UserSession.user_id))
    )
    people = list(await session.exec(owners))
    for user_id in people:
        await lock_person(session, user_id)
        await end_sessions(session, user_id, ended)
    return people


async def was_logged_out(session: AsyncSession, account: SignedOnAccount) -> bool:
    """Whether the provider ended its session while the sign-on was in progress."""
    issued_at = datetime.fromtimestamp(account.issued_at, UTC)
    of_session = (col(LogoutToken.provider_session_id) == account.session_id) & (
        col(LogoutToken.subject).is_(None) | (col(LogoutToken.subject) == account.subject)
    )
    of_person = (
        col(LogoutToken.provider_session_id).is_(None)
        & (col(LogoutToken.subject) == account.subject)
        & (col(LogoutToken.issued_at) > issued_at)
    )
    statement = select(LogoutToken.jti).where(
        col(LogoutToken.issuer) == account.issuer, of_session | of_person
    )
    return (await session.exec(statement.limit(1))).first() is not None
