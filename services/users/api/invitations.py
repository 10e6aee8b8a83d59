"""Routes for invitations, with which administrators let a person in without knowing the key."""

from datetime import datetime, timedelta
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import Administrator, Identity
from chassis.database.session import Transaction
from chassis.http.errors import NotAnAdministrator, responses
from chassis.http.models import Id, Ok

from .. import audit, commands
from ..audit import AuditAction
from ..errors import NameNotAccepted, UserNotFound
from ..settings import Settings
from .keys import uncached
from .people import NameDraft

router = APIRouter(tags=["users"])


class InvitationResponse(BaseModel):
    """The only response that contains the invitation. The service stores a hash of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "user_id": 7,
                    "invitation": "t7QmX0…",
                    "expires_at": "2026-05-11T08:15:00Z",
                }
            ],
        }
    )

    result: Literal[True] = True
    user_id: int
    invitation: str
    """The page's address for it is `/invitation#` and this."""
    expires_at: datetime


@router.post(
    "/api/invitations",
    status_code=201,
    summary="Register a person and make an invitation (administrators)",
    responses=responses(NotAnAdministrator, NameNotAccepted),
    dependencies=[uncached],
)
async def register_and_invite(
    draft: NameDraft, identity: Administrator, session: Transaction, request: Request
) -> InvitationResponse:
    """Send the person the link `<origin>/invitation#<invitation>`. Opening it on the page gives the
    person the first key and signs them in, once, within 7 days by default.

    Neither the invitation nor the key lasts longer than the key that makes the invitation.
    """
    settings: Settings = request.app.state.settings
    user_id = await commands.register_user(
        session, draft.name, max_name_length=settings.max_name_length
    )
    audit.record(session, AuditAction.registered, user_id, identity)
    return await _invite(session, user_id, identity, settings)


@router.post(
    "/api/users/{id}/invitation",
    status_code=201,
    summary="Make an invitation for a person (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
    dependencies=[uncached],
)
async def invite(
    id: Id, identity: Administrator, session: Transaction, request: Request
) -> InvitationResponse:
    """For a person whose invitation has expired, or who has lost every key. The person's earlier
    invitations are revoked; keys stay valid."""
    return await _invite(session, id, identity, request.app.state.settings)


@router.delete(
    "/api/users/{id}/invitation",
    summary="Revoke a person's invitation (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
)
async def revoke_invitation(id: Id, identity: Administrator, session: Transaction) -> Ok:
    """Idempotent. Revoking all keys of the person, or deactivating them, does this too."""
    await commands.revoke_invitations(session, id)
    audit.record(session, AuditAction.invitation_revoked, id, identity)
    return Ok()


async def _invite(
    session: Transaction, user_id: int, identity: Identity, settings: Settings
) -> InvitationResponse:
    invitation = await commands.invite(
        session, user_id, caller=identity, lifetime=timedelta(days=settings.invitation_days)
    )
    audit.record(session, AuditAction.invited, user_id, identity)
    return InvitationResponse(
        user_id=user_id, invitation=invitation.secret, expires_at=invitation.expires_at
    )
