"""Giving the role of an administrator to a person, and removing it."""

from fastapi import APIRouter

from chassis.auth.identity import Administrator
from chassis.database.session import Transaction
from chassis.http.errors import NotAnAdministrator, responses
from chassis.http.models import Id, Ok

from .. import audit, commands
from ..audit import AuditAction
from ..errors import LastAdministrator, UserNotFound

router = APIRouter(prefix="/api/users/{id}/administrator", tags=["administration"])


@router.put(
    "",
    summary="Make a person an administrator (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
)
async def add_administrator(id: Id, identity: Administrator, session: Transaction) -> Ok:
    """Idempotent. The person's keys with the scope `admin`, such as the key from the registration,
    get the rights of an administrator at once."""
    if await commands.add_administrator(session, id):
        audit.record(session, AuditAction.administrator_added, id, identity)
    return Ok()


@router.delete(
    "",
    summary="Remove a person's administrator role (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound, LastAdministrator),
)
async def remove_administrator(id: Id, identity: Administrator, session: Transaction) -> Ok:
    """Idempotent. The person's keys and sessions stay valid, but without administrator rights.
    Administrators can also remove their own role, except for the last administrator."""
    if await commands.remove_administrator(session, id):
        audit.record(session, AuditAction.administrator_removed, id, identity)
    return Ok()
