"""A person's keys: one's own, or, for administrators, anybody's. What the gateway asks of them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.app import Done, Id
from chassis.database import Transaction
from chassis.errors import responses
from chassis.identity import FromGateway, Identity, KeyScope, SignedIn

from .. import audit, commands, queries
from ..audit import Deed
from ..errors import (
    KeyEnded,
    KeyNotFound,
    NameNotAccepted,
    NotYourKeys,
    ScopeTooWide,
    TooManyKeys,
    UserNotFound,
)

LONGEST_LIFE_DAYS = 3660
LONGEST_OVERLAP_HOURS = 30 * 24

router = APIRouter(prefix="/{id}/keys")
internal = APIRouter(prefix="/internal", include_in_schema=False)


class KeyAnswer(BaseModel):
    """The key is shown this once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"result": True, "user_id": 7, "key_id": 12, "api_key": "wrb_4Hk…"}],
        }
    )

    result: Literal[True] = True
    user_id: int
    key_id: int
    api_key: str


class KeyDraft(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Nightly report", "scope": "read", "expires_in_days": 90}]
        }
    )

    name: str = Field(default="", max_length=1000, description="What it is for.")
    scope: KeyScope = Field(
        default=KeyScope.write,
        description=(
            "`read`; `write`, which includes it; `admin`, which also includes what only "
            "administrators may do."
        ),
    )
    expires_in_days: int | None = Field(
        default=None,
        ge=1,
        le=LONGEST_LIFE_DAYS,
        strict=True,
        description="For ever where it is missing.",
    )


class Replacement(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: int = Field(
        default=24,
        ge=0,
        le=LONGEST_OVERLAP_HOURS,
        # Else `false` were none at all.
        strict=True,
        description="How long the old key goes on beside the new one.",
    )


class KeyView(BaseModel):
    id: int
    name: str
    scope: KeyScope
    begins_with: str
    """Empty for a key of an operator's choosing, and for one of before there was a hint."""
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    """To the hour."""


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


async def _keep_no_copy(response: Response) -> None:
    response.headers["cache-control"] = "no-store"


unkept = Depends(_keep_no_copy)
"""For an answer with a key in it."""


async def _may_manage(id: Id, identity: SignedIn) -> Identity:
    if identity.user_id != id and not identity.administrator:
        raise NotYourKeys
    return identity


Manager = Annotated[Identity, Depends(_may_manage)]


@router.get("", summary="A person's keys", responses=responses(NotYourKeys, UserNotFound))
async def keys(id: Id, manager: Manager, session: Transaction) -> KeyList:
    """Those that may be used, without what is secret of them; the latest first."""
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
    "",
    status_code=201,
    summary="A further key for a person",
    responses=responses(NotYourKeys, ScopeTooWide, UserNotFound, TooManyKeys, NameNotAccepted),
    dependencies=[unkept],
)
async def make_key(id: Id, draft: KeyDraft, manager: Manager, session: Transaction) -> KeyAnswer:
    """A key makes none that may do more than itself."""
    if not manager.scope.covers(draft.scope):
        raise ScopeTooWide
    days = draft.expires_in_days
    lasting = None if days is None else timedelta(days=days)
    key = await commands.issue_key(session, id, name=draft.name, scope=draft.scope, lasting=lasting)
    audit.note(session, Deed.key_made, id, manager)
    return KeyAnswer(user_id=id, key_id=key.id, api_key=key.key)


@router.delete(
    "/{key_id}",
    summary="Revoke one key",
    responses=responses(NotYourKeys, ScopeTooWide, UserNotFound, KeyNotFound),
)
async def revoke_key(id: Id, key_id: Id, manager: Manager, session: Transaction) -> Done:
    """It is refused at once, and the sessions that it began end."""
    await commands.revoke_key(session, id, key_id, within=manager.scope)
    audit.note(session, Deed.key_revoked, id, manager)
    return Done()


@router.post(
    "/{key_id}/replacement",
    status_code=201,
    summary="A key like this one, which goes on for a while beside it",
    responses=responses(NotYourKeys, ScopeTooWide, UserNotFound, KeyNotFound, TooManyKeys),
    dependencies=[unkept],
)
async def replace_key(
    id: Id, key_id: Id, wanted: Replacement, manager: Manager, session: Transaction
) -> KeyAnswer:
    """The new key has the old one's name, scope and length of life."""
    overlap = timedelta(hours=wanted.overlap_hours)
    key = await commands.replace_key(session, id, key_id, within=manager.scope, overlap=overlap)
    audit.note(session, Deed.key_replaced, id, manager)
    return KeyAnswer(user_id=id, key_id=key.id, api_key=key.key)


class KeyOwner(BaseModel):
    user_id: int
    administrator: bool
    """The person is one, and the key may be used for it."""
    scope: KeyScope
    seconds_left: float | None
    """Until the key ends; None where it does not."""


@internal.get("/keys/{digest}", responses=responses(KeyNotFound, KeyEnded))
async def key_owner(
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    gateway: FromGateway,
    session: Transaction,
) -> KeyOwner:
    person, key = await queries.key_owner(session, bytes.fromhex(digest))
    await commands.note_use(session, key)
    scope = key.scope_for(person)
    left = None
    if key.expires_at is not None:
        left = (key.expires_at - datetime.now(UTC)).total_seconds()
    return KeyOwner(
        user_id=person.id,
        administrator=scope is KeyScope.admin,
        scope=scope,
        seconds_left=left,
    )
