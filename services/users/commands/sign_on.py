"""Sign-on with an account at an identity provider (docs/sign-on.md, docs/adr/0037).

A sign-on has two requests. `begin_flow` stores what the provider's answer must match, in one row;
`take_flow` deletes the row, so an answer counts once, and only for the browser that has the cookie
of the flow. Between the two, no state is anywhere else.

Who the person is depends on issuer and subject alone, never on an e-mail address. What they may do
depends on their groups, which are read at every sign-on: roles are given and taken away, and
somebody in no admitting group loses sessions and keys.
"""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import clock
from chassis.database.session import execute
from chassis.http.errors import Problem

from .. import audit
from ..audit import AuditAction
from ..errors import (
    AnotherIdentityLinked,
    IdentityTaken,
    NameNotAccepted,
    NameNotSent,
    NotAdmitted,
    PersonDeactivated,
    SignOnExpired,
    TooManyGroups,
)
from ..models import LinkedIdentity, Person, SignOnFlow, UserSession
from ..openid import SignedOnAccount
from ..settings import EVERYBODY, SignOnProvider
from .groups import apply_groups, end_access, listed_groups, sign_on_actor
from .identities import add_identity, has_identity, identity_of_account
from .locks import lock_account, lock_administrators, lock_person, lock_provider_session
from .people import register_user
from .provider_logouts import was_logged_out
from .sessions import end_session_by_digest, open_session

FLOW_LIFETIME = timedelta(minutes=10)
_MAX_PROFILE_LENGTH = 100

# A request at a time deletes what has expired, so that the table stays small without a job.
_DELETE_EXPIRED_FLOWS = text("""
delete from sign_on_flow where state_digest in (
    select state_digest from sign_on_flow where expires_at <= now() limit 100
    for update skip locked
)
""")


class SignedOn(NamedTuple):
    """The result of a sign-on. What it changed is to be committed even if it was refused: somebody
    who is not admitted any more has lost sessions and keys."""

    user_id: int | None
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
    await lock_account(session, account.issuer, account.subject)
    await lock_provider_session(session, account.issuer, account.session_id)
    if account.lists_too_many_groups:
        raise _Refusal(TooManyGroups())
    groups = listed_groups(provider, account)
    is_admitted = EVERYBODY in provider.admitting_groups or bool(groups & provider.admitting_groups)
    identity = await identity_of_account(session, account.issuer, account.subject)
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
        await end_access(session, person)
        raise _Refusal(NotAdmitted(), person.id)
    await apply_groups(session, provider, person, groups)
    _fill_profile(provider, account, person)
    if await was_logged_out(session, account):
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
    return SignedOn(person.id)


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
    audit.record(session, AuditAction.registered_by_sign_on, user_id, sign_on_actor(user_id))
    return await add_identity(session, user_id, account.issuer, account.subject)


async def _link(session: AsyncSession, user_id: int, issuer: str, subject: str) -> LinkedIdentity:
    """Links the account to a person who has proved both: they are signed in here and there."""
    person = await lock_person(session, user_id)
    if person.deactivated_at is not None:
        raise _Refusal(PersonDeactivated(), user_id)
    if await has_identity(session, user_id, issuer):
        raise _Refusal(AnotherIdentityLinked(), user_id)
    audit.record(session, AuditAction.identity_linked, user_id, sign_on_actor(user_id))
    return await add_identity(session, user_id, issuer, subject)


def _fill_profile(provider: SignOnProvider, account: SignedOnAccount, person: Person) -> None:
    """Takes the title and the department from the claims, if the settings name them."""
    for column, claim in (
        ("title", provider.title_claim),
        ("department", provider.department_claim),
    ):
        value = account.claims.get(claim) if claim else None
        if isinstance(value, str) and (line := " ".join(value.split())):
            setattr(person, column, line[:_MAX_PROFILE_LENGTH])
