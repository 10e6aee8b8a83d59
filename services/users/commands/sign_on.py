"""Sign-on with an account at an identity provider (docs/sign-on.md, docs/adr/0037).

A sign-on has two requests. `begin_flow` stores what the provider's answer must match, in one row;
`take_flow` deletes the row, so an answer counts once, and only for the browser that has the cookie
of the flow. Between the two, no state is anywhere else.

Who the person is depends on issuer and subject alone, never on an e-mail address. What they may do
depends on their groups, which are read at every sign-on: roles are given and taken away, and
somebody in no admitting group loses sessions and keys.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import ColumnElement, and_, text
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import Identity, KeyScope, Role
from chassis.database import clock
from chassis.database.session import execute
from chassis.http.errors import Problem
from chassis.messaging import outbox

from .. import audit
from ..audit import AuditAction
from ..errors import (
    AnotherIdentityLinked,
    IdentityNotFound,
    IdentityTaken,
    LastAdministrator,
    LogoutNotAccepted,
    NameNotAccepted,
    NameNotSent,
    NotAdmitted,
    PersonDeactivated,
    SignOnExpired,
    TooManyGroups,
)
from ..events import KeyRevoked
from ..models import LinkedIdentity, LogoutToken, Person, SignOnFlow, UserSession
from ..openid import Logout, SignedOnAccount
from ..settings import EVERYBODY, SignOnProvider
from .administrators import add_administrator, remove_administrator, require_another_administrator
from .keys import mark_keys_revoked
from .locks import lock_active_person, lock_administrators, lock_person
from .people import register_user
from .roles import give_role, take_role
from .sessions import end_session_by_digest, end_sessions, open_session

FLOW_LIFETIME = timedelta(minutes=10)
_LOGOUT_KEPT = timedelta(days=2)
"""Longer than a logout_token can be valid, and than a sign-on can be in progress."""
_MAX_PROFILE_LENGTH = 100

log = structlog.get_logger()

# A request at a time deletes what has expired, so that the tables stay small without a job.
_DELETE_EXPIRED_FLOWS = text("""
delete from sign_on_flow where state_digest in (
    select state_digest from sign_on_flow where expires_at <= now() limit 100
    for update skip locked
)
""")
_DELETE_OLD_LOGOUTS = text("""
delete from logout_token where (issuer, jti) in (
    select issuer, jti from logout_token where received_at <= :until limit 100
    for update skip locked
)
""")
_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")


class SignedOn(NamedTuple):
    """The result of a sign-on. What it changed is to be committed even if it was refused: somebody
    who is not admitted any more has lost sessions and keys."""

    user_id: int | None
    administrator: bool = False
    refusal: Problem | None = None


class SignOnTerms(NamedTuple):
    """How long a session lasts that is started by sign-on, and what a new person may be called."""

    lifetime: timedelta
    idle: timedelta
    max_name_length: int


async def begin_flow(session: AsyncSession, flow: SignOnFlow) -> None:
    await execute(session, _DELETE_EXPIRED_FLOWS)
    session.add(flow)


async def take_flow(session: AsyncSession, state_digest: bytes) -> SignOnFlow | None:
    """Deletes the flow and returns it; None if there is none, or it has expired.

    The caller commits before it judges the flow: an answer with a wrong cookie uses it up too.
    """
    statement = (
        delete(SignOnFlow).where(col(SignOnFlow.state_digest) == state_digest).returning(SignOnFlow)
    )
    flow: SignOnFlow | None = (await session.exec(statement)).scalar_one_or_none()
    return flow if flow is not None and flow.expires_at > clock.now() else None


async def sign_on(
    session: AsyncSession,
    provider: SignOnProvider,
    account: SignedOnAccount,
    *,
    flow: SignOnFlow,
    session_digest: bytes,
    client: str,
    terms: SignOnTerms,
) -> SignedOn:
    """Finds or creates the person, applies their groups, and starts a session.

    Raises nothing that a caller should answer: see SignedOn.
    """
    try:
        return await _sign_on(session, provider, account, flow, session_digest, client, terms)
    except _Refusal as refusal:
        return SignedOn(refusal.user_id, refusal=refusal.problem)


class _Refusal(Exception):
    def __init__(self, problem: Problem, user_id: int | None = None) -> None:
        super().__init__()
        self.problem = problem
        self.user_id = user_id


async def _sign_on(
    session: AsyncSession,
    provider: SignOnProvider,
    account: SignedOnAccount,
    flow: SignOnFlow,
    session_digest: bytes,
    client: str,
    terms: SignOnTerms,
) -> SignedOn:
    await lock_administrators(session)
    # Two first sign-ons of one account at once would otherwise create two people.
    await execute(session, _LOCK, {"name": f"{account.issuer} {account.subject}"})
    await _lock_provider_session(session, account.issuer, account.session_id)
    if account.lists_too_many_groups:
        raise _Refusal(TooManyGroups())
    groups = _groups(provider, account)
    is_admitted = EVERYBODY in provider.admitting_groups or bool(groups & provider.admitting_groups)
    identity = await _identity(session, account.issuer, account.subject)
    if identity is None and flow.link_user_id is not None:
        if provider.admitting_groups and not is_admitted:
            raise _Refusal(NotAdmitted())
        identity = await _link(session, flow.link_user_id, account.issuer, account.subject)
    elif identity is None:
        if not is_admitted:
            raise _Refusal(NotAdmitted())
        identity = await _register(session, provider, account, terms.max_name_length)
    elif flow.link_user_id not in (None, identity.user_id):
        raise _Refusal(IdentityTaken())
    person = await lock_person(session, identity.user_id)
    if person.deactivated_at is not None:
        raise _Refusal(PersonDeactivated(), person.id)
    if provider.admitting_groups and not is_admitted:
        await _end_access(session, person)
        raise _Refusal(NotAdmitted(), person.id)
    await _apply_groups(session, provider, person, groups)
    _fill_profile(provider, account, person)
    if await _was_logged_out(session, account):
        raise _Refusal(SignOnExpired(), person.id)
    if flow.previous_session is not None:
        await end_session_by_digest(session, flow.previous_session)
    identity.signed_on_at = clock.now()
    await session.flush()
    await open_session(
        session,
        UserSession(
            digest=session_digest,
            user_id=person.id,
            identity_id=identity.id,
            provider_session_id=account.session_id,
            client=client,
            expires_at=clock.now() + terms.lifetime,
            idle_seconds=int(terms.idle.total_seconds()),
        ),
    )
    return SignedOn(person.id, person.administrator)


def _groups(provider: SignOnProvider, account: SignedOnAccount) -> frozenset[str]:
    """The groups that the provider lists; none if the claim is missing."""
    value = account.claims.get(provider.groups_claim)
    listed = value if isinstance(value, list) else [value]
    return frozenset(group for group in listed if isinstance(group, str))


async def _identity(session: AsyncSession, issuer: str, subject: str) -> LinkedIdentity | None:
    statement = select(LinkedIdentity).where(
        col(LinkedIdentity.issuer) == issuer, col(LinkedIdentity.subject) == subject
    )
    return (await session.exec(statement)).one_or_none()


async def _register(
    session: AsyncSession,
    provider: SignOnProvider,
    account: SignedOnAccount,
    max_name_length: int,
) -> LinkedIdentity:
    name = account.claims.get(provider.name_claim) or account.claims.get("preferred_username")
    try:
        user_id = await register_user(
            session, name if isinstance(name, str) else "", max_name_length=max_name_length
        )
    except NameNotAccepted:
        raise _Refusal(NameNotSent()) from None
    audit.record(session, AuditAction.registered_by_sign_on, user_id, _themself(user_id))
    return await _add_identity(session, user_id, account.issuer, account.subject)


async def _link(session: AsyncSession, user_id: int, issuer: str, subject: str) -> LinkedIdentity:
    """Links the account to a person who has proved both: they are signed in here and there."""
    person = await lock_person(session, user_id)
    if person.deactivated_at is not None:
        raise _Refusal(PersonDeactivated(), user_id)
    if await _has_identity(session, user_id, issuer):
        raise _Refusal(AnotherIdentityLinked(), user_id)
    audit.record(session, AuditAction.identity_linked, user_id, _themself(user_id))
    return await _add_identity(session, user_id, issuer, subject)


async def _has_identity(session: AsyncSession, user_id: int, issuer: str) -> bool:
    statement = select(LinkedIdentity.id).where(
        col(LinkedIdentity.user_id) == user_id, col(LinkedIdentity.issuer) == issuer
    )
    return (await session.exec(statement)).first() is not None


async def _add_identity(
    session: AsyncSession, user_id: int, issuer: str, subject: str
) -> LinkedIdentity:
    identity = LinkedIdentity(user_id=user_id, issuer=issuer, subject=subject)
    session.add(identity)
    await session.flush()
    return identity


async def link_identity(session: AsyncSession, user_id: int, issuer: str, subject: str) -> bool:
    """Links an account to a person, as an administrator. Returns whether it was not linked before.

    Raises UserNotFound, IdentityTaken and AnotherIdentityLinked.
    """
    await execute(session, _LOCK, {"name": f"{issuer} {subject}"})
    await lock_active_person(session, user_id)
    identity = await _identity(session, issuer, subject)
    if identity is not None and identity.user_id == user_id:
        return False
    if identity is not None:
        raise IdentityTaken
    if await _has_identity(session, user_id, issuer):
        raise AnotherIdentityLinked
    await _add_identity(session, user_id, issuer, subject)
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


async def log_out(session: AsyncSession, logout: Logout) -> list[int]:
    """Ends the sessions that a provider reports as ended; returns whose they were.

    Raises LogoutNotAccepted if the report was accepted before.
    """
    await execute(session, _DELETE_OLD_LOGOUTS, {"until": clock.now() - _LOGOUT_KEPT})
    await _lock_provider_session(session, logout.issuer, logout.session_id)
    if logout.subject is not None:
        await execute(session, _LOCK, {"name": f"{logout.issuer} {logout.subject}"})
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


async def _lock_provider_session(
    session: AsyncSession, issuer: str, session_id: str | None
) -> None:
    """Puts a sign-on and a logout of one session at the provider in an order: either the logout
    finds the session, or the sign-on finds the logout."""
    if session_id is not None:
        digest = hashlib.sha256(f"{issuer} {session_id}".encode()).hexdigest()
        await execute(session, _LOCK, {"name": f"session {digest}"})


async def _was_logged_out(session: AsyncSession, account: SignedOnAccount) -> bool:
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


async def _end_access(session: AsyncSession, person: Person) -> None:
    """Ends the sessions and keys of somebody who is in no admitting group any more.

    The last administrator keeps their keys: somebody must be able to get in.
    """
    try:
        await require_another_administrator(session, person)
    except LastAdministrator:
        _keep_last_administrator(session, person)
        await end_sessions(session, person.id, col(UserSession.identity_id).is_not(None))
        return
    await end_sessions(session, person.id)
    await mark_keys_revoked(session, person.id)
    await outbox.record(session, KeyRevoked(user_id=person.id))
    audit.record(session, AuditAction.access_ended_by_groups, person.id, _themself(person.id))


async def _apply_groups(
    session: AsyncSession, provider: SignOnProvider, person: Person, groups: frozenset[str]
) -> None:
    """Gives and takes the roles for which the provider has groups."""
    roles = {
        Role.moderator: provider.moderator_groups,
        Role.announcer: provider.announcer_groups,
    }
    for role, groups_of_role in roles.items():
        if groups_of_role and groups & groups_of_role:
            if await give_role(session, person.id, role):
                audit.record(
                    session, AuditAction.role_given, person.id, _themself(person.id), role=role
                )
        elif groups_of_role and await take_role(session, person.id, role):
            audit.record(
                session, AuditAction.role_taken, person.id, _themself(person.id), role=role
            )
    if not provider.administrator_groups:
        return
    if groups & provider.administrator_groups:
        if await add_administrator(session, person.id):
            audit.record(session, AuditAction.administrator_added, person.id, _themself(person.id))
        return
    try:
        if await remove_administrator(session, person.id):
            audit.record(
                session, AuditAction.administrator_removed, person.id, _themself(person.id)
            )
    except LastAdministrator:
        _keep_last_administrator(session, person)


def _keep_last_administrator(session: AsyncSession, person: Person) -> None:
    log.warning("sign_on.last_administrator_kept", user_id=person.id)
    audit.record(session, AuditAction.last_administrator_kept, person.id, _themself(person.id))


def _fill_profile(provider: SignOnProvider, account: SignedOnAccount, person: Person) -> None:
    """Takes the title and the department from the claims, if the settings name them."""
    for column, claim in (
        ("title", provider.title_claim),
        ("department", provider.department_claim),
    ):
        value = account.claims.get(claim) if claim else None
        if isinstance(value, str) and (line := " ".join(value.split())):
            setattr(person, column, line[:_MAX_PROFILE_LENGTH])


def _themself(user_id: int) -> Identity:
    """The actor of what a sign-on does: the person who signs in."""
    return Identity(user_id, KeyScope.account)
