"""People: finding and registering them, deactivating them and bringing them back."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth.identity import Administrator, SignedIn
from chassis.database.session import Transaction
from chassis.http.errors import InvalidRequest, NotAnAdministrator, responses
from chassis.http.etags import TaggedJson
from chassis.http.models import Id, Ok
from chassis.http.paging import Cursor, Limit

from .. import audit, commands, people_lists
from ..audit import AuditAction
from ..errors import (
    CannotDeactivateYourself,
    LastAdministrator,
    NameNotAccepted,
    PersonErased,
    UserNotFound,
)
from ..settings import Settings
from .keys import KeyResponse, key_response, uncached
from .response_models import UserPage

router = APIRouter(prefix="/api/users", tags=["users"])


class NameDraft(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Анна Ким"}]})

    name: str = Field(max_length=1000)


@router.get(
    "",
    summary="Find people by name",
    response_model=UserPage,
    responses=responses(InvalidRequest),
)
async def find_users(
    identity: SignedIn,
    request: Request,
    query: Annotated[
        str,
        Query(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="Part of a name, in its own letters or in Latin ones. Small typos and the"
            " wrong keyboard layout are tolerated. Without it you get everybody.",
        ),
    ] = "",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    connections = request.app.state.connections
    if query.strip():
        body = await people_lists.by_name(connections, query, identity.user_id, limit, cursor)
    else:
        body = await people_lists.everybody(connections, identity.user_id, limit, cursor)
    return TaggedJson.of(body).response(request)


@router.post(
    "",
    status_code=201,
    summary="Register a person (administrators)",
    responses=responses(NotAnAdministrator, NameNotAccepted),
    dependencies=[uncached],
)
async def register_user(
    draft: NameDraft, identity: Administrator, session: Transaction, request: Request
) -> KeyResponse:
    """The response contains the person's first key. It expires together with the key that creates
    it, so register people with a key that never expires."""
    settings: Settings = request.app.state.settings
    user_id = await commands.register_user(
        session, draft.name, max_name_length=settings.max_name_length
    )
    expires_at = commands.caller_key_expiry(identity)
    key = await commands.issue_key(session, user_id, expires_at=expires_at)
    audit.record(session, AuditAction.registered, user_id, identity)
    return key_response(user_id, key)


@router.delete(
    "/{id}",
    summary="Deactivate a person (administrators)",
    responses=responses(
        NotAnAdministrator, UserNotFound, CannotDeactivateYourself, LastAdministrator
    ),
)
async def deactivate_user(id: Id, identity: Administrator, session: Transaction) -> Ok:
    """The person's keys and sessions stop working, and nobody sees the person or their tweets any
    more. The data stays stored. Idempotent."""
    await commands.deactivate_user(session, id, caller_id=identity.user_id)
    audit.record(session, AuditAction.deactivated, id, identity)
    return Ok()


@router.post(
    "/{id}/reactivation",
    summary="Bring back a deactivated person (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound, PersonErased),
)
async def reactivate_user(id: Id, identity: Administrator, session: Transaction) -> Ok:
    """Everybody sees the person and their tweets again. Keys, sessions and roles do not come back:
    make an invitation or a key for the person. Idempotent."""
    if await commands.reactivate_user(session, id):
        audit.record(session, AuditAction.reactivated, id, identity)
    return Ok()
