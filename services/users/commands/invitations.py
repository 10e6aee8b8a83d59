"""Invitations: links that give a person a key and a session, once.

An administrator makes an invitation instead of a key, and sends the person the link. The page reads
the secret from the link's fragment, which browsers do not send to servers, and the gateway sends
this service its SHA-256 digest. Accepting creates a key and starts a session with it. So the
person's key is shown to the person only, and a link that somebody reads later is worthless.

A person has one active invitation at most: a new one revokes the earlier ones, and so does whatever
revokes all keys of the person.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import Identity
from chassis.database import clock

from ..errors import InvitationExpired, InvitationNotFound, InvitationRevoked, InvitationUsed
from ..models import Invitation
from .keys import NewKey, add_key, caller_key_expiry, mark_invitations_revoked
from .locks import lock_active_person, lock_person
from .sessions import start_session

_SECRET_BYTES = 32


class NewInvitation(NamedTuple):
    secret: str
    """The service stores its hash, so the invitation cannot be shown again."""
    expires_at: datetime


class AcceptedInvitation(NamedTuple):
    user_id: int
    is_administrator: bool
    key: NewKey


async def invite(
    session: AsyncSession, user_id: int, *, caller: Identity | None, lifetime: timedelta
) -> NewInvitation:
    """Creates an invitation and revokes the person's earlier ones. Raises UserNotFound.

    Neither the invitation nor the key that it gives lasts longer than the caller's own key. An
    operator at the console has no key: `caller` is None.
    """
    await lock_active_person(session, user_id)
    await mark_invitations_revoked(session, user_id)
    (invitation,) = add_invitations(session, [user_id], caller=caller, lifetime=lifetime)
    return invitation


def add_invitations(
    session: AsyncSession,
    user_ids: Iterable[int],
    *,
    caller: Identity | None,
    lifetime: timedelta,
) -> list[NewInvitation]:
    """As `invite`, for people who have no earlier invitation and whom the caller has locked."""
    key_expires_at = caller_key_expiry(caller) if caller else None
    expires_at = clock.now() + lifetime
    if key_expires_at is not None:
        expires_at = min(expires_at, key_expires_at)
    invitations = []
    for user_id in user_ids:
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        session.add(
            Invitation(
                digest=hashlib.sha256(secret.encode()).digest(),
                user_id=user_id,
                expires_at=expires_at,
                key_expires_at=key_expires_at,
            )
        )
        invitations.append(NewInvitation(secret, expires_at))
    return invitations


async def revoke_invitations(session: AsyncSession, user_id: int) -> None:
    """Revokes the person's invitations. Idempotent; raises UserNotFound."""
    await lock_active_person(session, user_id)
    await mark_invitations_revoked(session, user_id)


async def accept_invitation(
    session: AsyncSession,
    digest: bytes,
    session_digest: bytes,
    *,
    client: str,
    lifetime: timedelta,
) -> AcceptedInvitation:
    """Uses the invitation up, creates a key for its person, and starts a session with the key.

    `session_digest` is that of the session's token. Raises InvitationNotFound, InvitationUsed,
    InvitationExpired and InvitationRevoked.
    """
    owner = select(Invitation.user_id).where(col(Invitation.digest) == digest)
    user_id = (await session.exec(owner)).one_or_none()
    if user_id is None:
        raise InvitationNotFound
    person = await lock_person(session, user_id)
    # One statement checks the invitation and uses it up. Of two requests at once, the second one
    # finds it used.
    use_up = (
        update(Invitation)
        .where(col(Invitation.digest) == digest, Invitation.is_active())
        .values(used_at=clock.now())
        .returning(col(Invitation.key_expires_at))
    )
    row = (await session.exec(use_up)).one_or_none()
    if row is None:
        raise await _refusal(session, digest)
    # Not `issue_key`: a person who has the highest number of keys and none at hand can still come
    # back in.
    key = await add_key(session, user_id, expires_at=row[0])
    await start_session(session, session_digest, key.digest, client=client, lifetime=lifetime)
    return AcceptedInvitation(user_id, person.administrator, key)


async def _refusal(session: AsyncSession, digest: bytes) -> Exception:
    """Why an invitation cannot be accepted."""
    invitation = await session.get(Invitation, digest)
    if invitation is None:
        return InvitationNotFound()
    if invitation.used_at is not None:
        return InvitationUsed()
    if invitation.revoked_at is not None:
        return InvitationRevoked()
    return InvitationExpired()
