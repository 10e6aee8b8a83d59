"""What the groups of an account at an identity provider give to a person, and take away."""

import structlog
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import Identity, KeyScope
from chassis.messaging import outbox

from .. import audit
from ..audit import AuditAction
from ..errors import LastAdministrator
from ..events import KeyRevoked
from ..models import Person, Role, UserSession
from ..openid import SignedOnAccount
from ..settings import SignOnProvider
from .administrators import add_administrator, remove_administrator, require_another_administrator
from .keys import mark_keys_revoked
from .roles import give_role, take_role
from .sessions import end_sessions

log = structlog.get_logger()


def listed_groups(provider: SignOnProvider, account: SignedOnAccount) -> frozenset[str]:
    """The groups that the provider lists; none if the claim is missing."""
    value = account.claims.get(provider.groups_claim)
    listed = value if isinstance(value, list) else [value]
    return frozenset(group for group in listed if isinstance(group, str))


async def apply_groups(
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
                    session, AuditAction.role_given, person.id, sign_on_actor(person.id), role=role
                )
        elif groups_of_role and await take_role(session, person.id, role):
            audit.record(
                session, AuditAction.role_taken, person.id, sign_on_actor(person.id), role=role
            )
    if not provider.administrator_groups:
        return
    if groups & provider.administrator_groups:
        if await add_administrator(session, person.id):
            audit.record(
                session, AuditAction.administrator_added, person.id, sign_on_actor(person.id)
            )
        return
    try:
        if await remove_administrator(session, person.id):
            audit.record(
                session, AuditAction.administrator_removed, person.id, sign_on_actor(person.id)
            )
    except LastAdministrator:
        _keep_last_administrator(session, person)


async def end_access(session: AsyncSession, person: Person) -> None:
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
    audit.record(session, AuditAction.access_ended_by_groups, person.id, sign_on_actor(person.id))


def _keep_last_administrator(session: AsyncSession, person: Person) -> None:
    log.warning("sign_on.last_administrator_kept", user_id=person.id)
    audit.record(session, AuditAction.last_administrator_kept, person.id, sign_on_actor(person.id))


def sign_on_actor(user_id: int) -> Identity:
    """The actor of what a sign-on does: the person who signs in."""
    return Identity(user_id, KeyScope.account)
