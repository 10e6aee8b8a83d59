"""Who is an administrator: the role is given and taken away."""

from fastapi import APIRouter

from chassis.app import Done, Id
from chassis.database import Transaction
from chassis.errors import NotAnAdministrator, responses
from chassis.identity import Administrator

from .. import audit, commands
from ..audit import Deed
from ..errors import LastAdministrator, UserNotFound

router = APIRouter(prefix="/api/users/{id}/administrator", tags=["users"])


@router.put(
    "",
    summary="Make a person an administrator (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
)
async def add_administrator(id: Id, identity: Administrator, session: Transaction) -> Done:
    """Idempotent. The person's keys of the scope `admin`, such as the one from their registration,
    may do at once what only administrators may."""
    if await commands.add_administrator(session, id):
        audit.note(session, Deed.administrator_added, id, identity)
    return Done()


@router.delete(
    "",
    summary="Take the role of an administrator away (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound, LastAdministrator),
)
async def remove_administrator(id: Id, identity: Administrator, session: Transaction) -> Done:
    """Idempotent. The person's keys and sessions go on without the rights of an administrator. An
    administrator may give up the role, unless they are the last one."""
    if await commands.remove_administrator(session, id):
        audit.note(session, Deed.administrator_removed, id, identity)
    return Done()
