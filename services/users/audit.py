"""The audit log: which administrator or moderator did what to whom, when, and in which request.

An entry is written in the transaction of the action that it records, so there is no action without
an entry and no entry without an action. It holds ids and no names: it stays after the people in it
are erased, and then says nothing about them. The service's role may only insert and select, and
triggers refuse every UPDATE, DELETE and TRUNCATE even if the role grants itself more rights: no
code of this service can change or remove what was recorded (migration 0004).
"""

from enum import StrEnum

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import Identity
from chassis.database.session import AnySession, fetch

from .models import AuditEntry, Role


# The values are stored in the table.
class AuditAction(StrEnum):
    """What an administrator or a moderator did."""

    registered = "registered"
    renamed = "renamed"
    profile_changed = "profile_changed"
    picture_changed = "picture_changed"
    tweet_hidden = "tweet_hidden"
    """By a moderator, like the next two."""
    tweet_restored = "tweet_restored"
    report_closed = "report_closed"
    announcement_ended = "announcement_ended"
    """Somebody else's, by an administrator, like the next one."""
    announcement_reminded = "announcement_reminded"
    deactivated = "deactivated"
    reactivated = "reactivated"
    erased = "erased"
    invited = "invited"
    invitation_revoked = "invitation_revoked"
    invitation_accepted = "invitation_accepted"
    """By the person: it shows that the link reached somebody."""
    administrator_added = "administrator_added"
    administrator_removed = "administrator_removed"
    role_given = "role_given"
    role_taken = "role_taken"
    key_made = "key_made"
    key_replaced = "key_replaced"
    key_revoked = "key_revoked"
    session_ended = "session_ended"
    keys_replaced = "keys_replaced"
    """All keys of the person, by one new key."""
    keys_revoked = "keys_revoked"
    """All keys of the person."""
    identity_linked = "identity_linked"
    """An account at an identity provider, by an administrator or by the person."""
    identity_unlinked = "identity_unlinked"
    registered_by_sign_on = "registered_by_sign_on"
    """The first sign-on of somebody whom a group admits."""
    access_ended_by_groups = "access_ended_by_groups"
    """The person signed on and was in no admitting group: sessions and keys ended."""
    last_administrator_kept = "last_administrator_kept"
    """The groups of the last administrator would have taken the role away."""


_ALWAYS_RECORDED = (
    AuditAction.erased,
    AuditAction.administrator_added,
    AuditAction.administrator_removed,
    AuditAction.role_given,
    AuditAction.role_taken,
    AuditAction.invitation_accepted,
    AuditAction.identity_linked,
    AuditAction.registered_by_sign_on,
    AuditAction.access_ended_by_groups,
    AuditAction.last_administrator_kept,
)


def record(
    session: AsyncSession,
    action: AuditAction,
    subject_id: int,
    actor: Identity | None,
    *,
    role: Role | None = None,
) -> None:
    """Adds an entry. Call it in the transaction of the action itself.

    `actor` is None for the operator's console. Changes that people make to their own name and keys
    are not recorded. An erasure, a change of role, an accepted invitation and what a sign-on does
    always are: nothing else records them.
    """
    is_own_account = actor is not None and actor.user_id == subject_id
    if is_own_account and action not in _ALWAYS_RECORDED:
        return
    session.add(
        AuditEntry(
            action=action,
            actor_id=None if actor is None else actor.user_id,
            subject_id=subject_id,
            role=role,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
        )
    )


_INSERT = """
insert into act (deed, subject_id, actor_id, object_id, request_id) values ($1, $2, $3, $4, $5)
"""


async def record_event(
    session: AnySession,
    action: AuditAction,
    subject_id: int,
    actor_id: int | None,
    object_id: int | None = None,
) -> None:
    """Adds an entry about an action in another service. Call it in the handler of its event."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    await fetch(session, _INSERT, action, subject_id, actor_id, object_id, request_id)
