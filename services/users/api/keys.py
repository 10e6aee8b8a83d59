"""A person's keys, for the person and for administrators."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.app import Done, Id
from chassis.database import Transaction
from chassis.errors import responses
from chassis.identity import Identity, KeyScope, SignedIn

from .. import audit, commands, queries
from ..audit import Deed
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

LONGEST_LIFE_DAYS = 3660
LONGEST_OVERLAP_HOURS = 30 * 24

router = APIRouter(prefix="/{id}/keys")


class KeyAnswer(BaseModel):
    """The only answer that contains the key: only its hash is stored."""

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


def key_answer(user_id: int, key: commands.NewKey) -> KeyAnswer:
    return KeyAnswer(user_id=user_id, key_id=key.id, api_key=key.key, expires_at=key.expires_at)


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
            "`read`; `write`; `account`, which may also manage the person's keys and sessions and "
            "erase the account; `admin`, which may also do what only administrators may. Each "
            "includes those before it."
        ),
    )
    expires_in_days: int | None = Field(
        default=None,
        ge=1,
        le=LONGEST_LIFE_DAYS,
        strict=True,
        description="Missing: no end, or the end of the key that makes it.",
    )


class Replacement(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: int = Field(
        default=24,
        ge=0,
        le=LONGEST_OVERLAP_HOURS,
        strict=True,  # without it `false` would count as 0
        description="How long the old key stays valid beside the new one.",
    )


class KeyView(BaseModel):
    id: int
    name: str
    scope: KeyScope
    begins_with: str
    """The first characters; empty for a key that an operator chose."""
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    """When the key was last used, to the hour."""


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
"""For an answer that contains a key."""


async def _may_manage(id: Id, identity: SignedIn) -> Identity:
    if identity.user_id != id and not identity.administrator:
        raise NotYourKeys
    return identity


Manager = Annotated[Identity, Depends(_may_manage)]


@router.get("", summary="A person's keys", responses=responses(NotYourKeys, UserNotFound))
async def keys(id: Id, manager: Manager, session: Transaction) -> KeyList:
    """The keys that may be used, the latest first, without the keys themselves."""
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
    summary="Make a key",
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
async def make_key(id: Id, draft: KeyDraft, manager: Manager, session: Transaction) -> KeyAnswer:
    """A key cannot make a key that may do more than itself or lasts longer."""
    if not manager.scope.covers(draft.scope):
        raise ScopeTooWide
    days = draft.expires_in_days
    expires_at = commands.expiry_within(manager, None if days is None else timedelta(days=days))
    key = await commands.issue_key(
        session, id, name=draft.name, scope=draft.scope, expires_at=expires_at
    )
    audit.note(session, Deed.key_made, id, manager)
    return key_answer(id, key)


@router.delete(
    "/{key_id}",
    summary="Revoke a key",
    responses=responses(NotYourKeys, AccountScopeRequired, ScopeTooWide, UserNotFound, KeyNotFound),
)
async def revoke_key(id: Id, key_id: Id, manager: Manager, session: Transaction) -> Done:
    """The key is refused at once, and sessions that it began end. A key can revoke itself; to
    revoke others it needs the scope `account`."""
    await commands.revoke_key(session, id, key_id, by=manager)
    audit.note(session, Deed.key_revoked, id, manager)
    return Done()


@router.post(
    "/{key_id}/replacement",
    status_code=201,
    summary="Replace a key by a new one, with an overlap",
    responses=responses(
        NotYourKeys, AccountScopeRequired, ScopeTooWide, UserNotFound, KeyNotFound, TooManyKeys
    ),
    dependencies=[uncached],
)
async def replace_key(
    id: Id, key_id: Id, wanted: Replacement, manager: Manager, session: Transaction
) -> KeyAnswer:
    """The new key has the old one's name, scope and lifetime, and ends with the key that makes
    it if that is sooner."""
    overlap = timedelta(hours=wanted.overlap_hours)
    key = await commands.replace_key(session, id, key_id, by=manager, overlap=overlap)
    audit.note(session, Deed.key_replaced, id, manager)
    return key_answer(id, key)
