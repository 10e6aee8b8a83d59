"""The route that starts the erasure of a person."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth.identity import KeyScope, SignedIn
from chassis.database.session import Transaction
from chassis.http.errors import responses
from chassis.http.models import Ok
from chassis.http.paging import MAX_ID

from .. import audit, commands
from ..audit import AuditAction
from ..errors import (
    AccountScopeRequired,
    CannotEraseYourself,
    LastAdministrator,
    NameNotConfirmed,
    NotYourself,
    UserNotFound,
)

router = APIRouter(prefix="/api/erasures", tags=["administration"])


class ErasureDraft(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": 7, "name": "Анна Ким"}]})

    user_id: int = Field(ge=1, le=MAX_ID, strict=True)
    name: str = Field(
        max_length=1000,
        description=(
            "The person's current name, as a confirmation: with a wrong `user_id` the name does not"
            " match, and nobody is erased."
        ),
    )


@router.post(
    "",
    status_code=202,
    summary="Erase a person permanently (the person, or an administrator)",
    responses=responses(
        NotYourself,
        AccountScopeRequired,
        UserNotFound,
        NameNotConfirmed,
        CannotEraseYourself,
        LastAdministrator,
    ),
)
async def erase_user(draft: ErasureDraft, identity: SignedIn, session: Transaction) -> Ok:
    """The name and the keys are deleted at once, and tweets, pictures, likes and follows within
    minutes. Nothing can be restored. `GET /api/erasures/{id}` shows the progress. To erase your
    own account you need a key with the scope `account`."""
    if identity.user_id != draft.user_id and not identity.administrator:
        raise NotYourself
    if not identity.scope.covers(KeyScope.account):
        raise AccountScopeRequired
    await commands.erase_user(session, draft.user_id, draft.name, caller_id=identity.user_id)
    audit.record(session, AuditAction.erased, draft.user_id, identity)
    return Ok()
