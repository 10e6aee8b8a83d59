"""Giving the roles of moderators and announcers to people, and taking them away."""

from fastapi import APIRouter

from chassis.auth.identity import Administrator
from chassis.database.session import Transaction
from chassis.http.errors import NotAnAdministrator, responses
from chassis.http.models import Id, Ok

from .. import audit, commands
from ..audit import AuditAction
from ..errors import UserNotFound
from ..models import Role

router = APIRouter(prefix="/api/users/{id}/roles/{role}", tags=["administration"])


@router.put(
    "",
    summary="Give a role to a person (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
)
async def give_role(id: Id, role: Role, identity: Administrator, session: Transaction) -> Ok:
    """Idempotent. Moderators decide on reports and hide tweets; announcers post announcements.
    Administrators may do both without a role. The person's keys and sessions have the new rights at
    once, if their scope is at least `account`."""
    if await commands.give_role(session, id, role):
        audit.record(session, AuditAction.role_given, id, identity, role=role)
    return Ok()


@router.delete(
    "",
    summary="Take a role away from a person (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
)
async def take_role(id: Id, role: Role, identity: Administrator, session: Transaction) -> Ok:
    """Idempotent. The person's keys and sessions stay valid, but without the rights of the role."""
    if await commands.take_role(session, id, role):
        audit.record(session, AuditAction.role_taken, id, identity, role=role)
    return Ok()
