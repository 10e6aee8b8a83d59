"""Erasing somebody for good: where it begins."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from chassis.app import Done
from chassis.database import Transaction
from chassis.errors import responses
from chassis.identity import KeyScope, SignedIn
from chassis.paging import MAX_ID

from .. import audit, commands
from ..audit import Deed
from ..errors import (
    AccountScopeRequired,
    CannotEraseYourself,
    LastAdministrator,
    NameNotConfirmed,
    NotYourself,
    UserNotFound,
)

router = APIRouter(prefix="/api/erasures", tags=["users"])


class ErasureDraft(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": 7, "name": "Анна Ким"}]})

    user_id: int = Field(ge=1, le=MAX_ID, strict=True)
    name: str = Field(
        max_length=1000, description="The person's name as it stands: a wrong number erases nobody."
    )


@router.post(
    "",
    status_code=202,
    summary="Erase a person for good (the person, or an administrator)",
    responses=responses(
        NotYourself,
        AccountScopeRequired,
        UserNotFound,
        NameNotConfirmed,
        CannotEraseYourself,
        LastAdministrator,
    ),
)
async def erase_user(draft: ErasureDraft, identity: SignedIn, session: Transaction) -> Done:
    """The name and the keys are deleted at once; tweets, pictures, likes and follows within
    minutes. Nothing can be restored. `GET /api/erasures/{id}` shows the progress. To erase one's
    own account, the key needs the scope `account`."""
    if identity.user_id != draft.user_id and not identity.administrator:
        raise NotYourself
    if not identity.scope.covers(KeyScope.account):
        raise AccountScopeRequired
    await commands.erase_user(session, draft.user_id, draft.name, by=identity.user_id)
    audit.note(session, Deed.erased, draft.user_id, identity)
    return Done()
