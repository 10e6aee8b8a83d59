"""Erasing somebody for good: where it begins."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from chassis.app import Done
from chassis.database import Transaction
from chassis.errors import responses
from chassis.identity import SignedIn
from chassis.paging import MAX_ID

from .. import audit, commands
from ..audit import Deed
from ..errors import CannotEraseYourself, NameNotConfirmed, NotYourself, UserNotFound

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
    responses=responses(NotYourself, UserNotFound, NameNotConfirmed, CannotEraseYourself),
)
async def erase_user(draft: ErasureDraft, identity: SignedIn, session: Transaction) -> Done:
    """The name and the keys are gone at once; tweets, pictures, likes and follows within minutes.
    Nobody can bring them back. `GET /api/erasures/{id}` tells how far it is."""
    if identity.user_id != draft.user_id and not identity.administrator:
        raise NotYourself
    await commands.erase_user(session, draft.user_id, draft.name, by=identity.user_id)
    audit.note(session, Deed.erased, draft.user_id, identity)
    return Done()
