"""Routes for a person's keys, used by the person and by administrators."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth.identity import Administrator, Identity, KeyScope, SignedIn
from chassis.database.session import Transaction
from chassis.http.errors import NotAnAdministrator, responses
from chassis.http.models import Id, Ok

from .. import audit, commands, queries
from ..audit import AuditAction
from ..errors import (
    AccountScopeRequired,
    KeyNotFound,
    KeyWouldOutliveYours,
    NameNotAccepted,
    NotYourKeys,
    ScopeTooWide,
    TooManyKeys,
    UserNotFound,
)

MAX_LIFETIME_DAYS = 3660
MAX_OVERLAP_HOURS = 30 * 24

router = APIRouter(prefix="/api/users/{id}", tags=["users"])


class KeyResponse(BaseModel):
    """The only response that contains the key. The service stores a hash of it, so the key cannot
    be shown again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "user_id": 7,
                    "key_id": 12,
                    "api_key": "wrb_4Hk…",
                    "expires_at": None,
                }
            ],
        }
    )

    result: Literal[True] = True
    user_id: int
    key_id: int
    api_key: str
    expires_at: datetime | None


def key_response(user_id: int, key: commands.NewKey) -> KeyResponse:
    return KeyResponse(user_id=user_id, key_id=key.id, api_key=key.key, expires_at=key.expires_at)


class KeyDraft(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Nightly report", "scope": "read", "expires_in_days": 90}]
        }
    )

    name: str = Field(default="", max_length=1000, description="What the key is for.")
    scope: KeyScope = Field(
        default=KeyScope.write,
        description=(
            "What the key allows. `read`: reading. `write`: also posting, liking and following. "
            "`account`: also managing the person's keys and sessions, and erasing the account. "
            "`admin`: also what only administrators may do, if the person is an administrator."
        ),
    )
    expires_in_days: int | None = Field(
        default=None,
        ge=1,
        le=MAX_LIFETIME_DAYS,
        strict=True,
        description=(
            "After how many days the key expires. Without it, the key never expires, or expires "
            "together with the key that creates it."
        ),
    )


class ReplacementDraft(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: int = Field(
        default=24,
        ge=0,
        le=MAX_OVERLAP_HOURS,
        strict=True,  # otherwise pydantic reads `false` as 0
        description="For how many hours the old key stays valid beside the new one.",
    )


class KeyView(BaseModel):
    id: int
    name: str
    scope: KeyScope
    begins_with: str
    """The first characters of the key. Empty for a key that an operator chose."""
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    """When the key was last used, accurate to an hour. Null: never."""


class KeyList(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "keys": [
                        {
                            "id": 12,
                            "name": "Nightly report",
                            "scope": "read",
                            "begins_with": "wrb_4HkQ2x",
                            "created_at": "2026-05-04T08:15:00Z",
                            "expires_at": "2026-08-02T08:15:00Z",
                            "used_at": None,
                        }
                    ],
                }
            ]
        }
    )

    result: Literal[True] = True
    keys: list[KeyView]


async def _forbid_caching(response: Response) -> None:
    response.headers["cache-control"] = "no-store"


uncached = Depends(_forbid_caching)
"""For a route whose response contains a key."""


async def _owner_or_administrator(id: Id, identity: SignedIn) -> Identity:
    if identity.user_id != id and not identity.administrator:
        raise NotYourKeys
    return identity


OwnerOrAdministrator = Annotated[Identity, Depends(_owner_or_administrator)]


@router.get("/keys", summary="List a person's keys", responses=responses(NotYourKeys, UserNotFound))
async def keys(id: Id, caller: OwnerOrAdministrator, session: Transaction) -> KeyList:
    """The active keys, newest first. The list describes each key without revealing it."""
    return KeyList(
        keys=[
            KeyView(
                id=key.id,
                name=key.name,
                scope=scope,
                begins_with=key.hint,
                created_at=key.created_at,
                expires_at=key.expires_at,
                used_at=key.used_at,
            )
            for key, scope in await queries.keys_of(session, id)
        ]
    )


@router.post(
    "/keys",
    status_code=201,
    summary="Create a key",
    responses=responses(
        NotYourKeys,
        ScopeTooWide,
        KeyWouldOutliveYours,
        UserNotFound,
        TooManyKeys,
        NameNotAccepted,
    ),
    dependencies=[uncached],
)
async def make_key(
    id: Id, draft: KeyDraft, caller: OwnerOrAdministrator, session: Transaction
) -> KeyResponse:
    """A key can only create keys that allow no more and last no longer than the key itself."""
    if not caller.scope.covers(draft.scope):
        raise ScopeTooWide
    days = draft.expires_in_days
    lifetime = None if days is None else timedelta(days=days)
    expires_at = commands.new_key_expiry(caller, lifetime)
    key = await commands.issue_key(
        session, id, name=draft.name, scope=draft.scope, expires_at=expires_at
    )
    audit.record(session, AuditAction.key_made, id, caller)
    return key_response(id, key)


@router.delete(
    "/keys/{key_id}",
    summary="Revoke a key",
    responses=responses(NotYourKeys, AccountScopeRequired, ScopeTooWide, UserNotFound, KeyNotFound),
)
async def revoke_key(id: Id, key_id: Id, caller: OwnerOrAdministrator, session: Transaction) -> Ok:
    """The key stops working at once, and the sessions that were started with it end. A key can
    revoke itself. To revoke another key it needs the scope `account`."""
    await commands.revoke_key(session, id, key_id, caller=caller)
    audit.record(session, AuditAction.key_revoked, id, caller)
    return Ok()


@router.post(
    "/keys/{key_id}/replacement",
    status_code=201,
    summary="Replace a key with a new one, with an overlap",
    responses=responses(
        NotYourKeys, AccountScopeRequired, ScopeTooWide, UserNotFound, KeyNotFound, TooManyKeys
    ),
    dependencies=[uncached],
)
async def replace_key(
    id: Id, key_id: Id, draft: ReplacementDraft, caller: OwnerOrAdministrator, session: Transaction
) -> KeyResponse:
    """The new key has the name, scope and lifetime of the old one, but it expires no later than
    the key that creates it."""
    overlap = timedelta(hours=draft.overlap_hours)
    key = await commands.replace_key(session, id, key_id, caller=caller, overlap=overlap)
    audit.record(session, AuditAction.key_replaced, id, caller)
    return key_response(id, key)


@router.post(
    "/key",
    status_code=201,
    summary="Replace all keys of a person with a new one (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
    dependencies=[uncached],
)
async def rotate_key(id: Id, identity: Administrator, session: Transaction) -> KeyResponse:
    """The person's old keys stop working at once. The new key expires together with the key that
    creates it."""
    key = await commands.rotate_key(session, id, caller=identity)
    audit.record(session, AuditAction.keys_replaced, id, identity)
    return key_response(id, key)


@router.delete(
    "/key",
    summary="Revoke all keys of a person (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
)
async def revoke_keys(id: Id, identity: Administrator, session: Transaction) -> Ok:
    await commands.revoke_keys(session, id)
    audit.record(session, AuditAction.keys_revoked, id, identity)
    return Ok()
