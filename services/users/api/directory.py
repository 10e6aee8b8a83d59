"""The list of people for administrators."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import Administrator
from chassis.database.session import Transaction
from chassis.http.errors import InvalidRequest, NotAnAdministrator, responses
from chassis.http.paging import Cursor, Limit

from ..directory import AnyRole, DirectoryEntry, PersonState, directory
from ..models import Role

router = APIRouter(prefix="/api/people", tags=["administration"])


class DirectoryEntryView(BaseModel):
    id: int
    name: str
    """Empty for an erased person."""
    title: str | None
    department: str | None
    about: str | None
    external_id: str | None
    """The person's id in the company's staff register or identity provider."""
    administrator: bool
    roles: list[Role]
    created_at: datetime
    deactivated_at: datetime | None
    erased_at: datetime | None
    last_used_at: datetime | None
    """When a key or a session of the person was last used, accurate to an hour. Null: never."""
    keys: int
    """How many active keys the person has."""
    sessions: int
    """How many browsers are signed in."""
    identities: int
    """How many accounts at identity providers are linked."""


class DirectoryPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "people": [
                        {
                            "id": 7,
                            "name": "Анна Ким",
                            "title": "Structural engineer",
                            "department": "Bridges",
                            "about": None,
                            "external_id": "E-1007",
                            "administrator": False,
                            "roles": ["moderator"],
                            "created_at": "2026-05-04T08:15:00Z",
                            "deactivated_at": None,
                            "erased_at": None,
                            "last_used_at": "2026-11-23T12:40:00Z",
                            "keys": 1,
                            "sessions": 2,
                            "identities": 1,
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    people: list[DirectoryEntryView]
    next_cursor: str | None


@router.get(
    "",
    summary="List people with their roles and access, newest first (administrators)",
    responses=responses(NotAnAdministrator, InvalidRequest),
)
async def people(
    identity: Administrator,
    session: Transaction,
    query: Annotated[
        str,
        Query(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="A part of a name, title or department, or a whole id or external id.",
        ),
    ] = "",
    state: Annotated[
        PersonState | None, Query(description="Without it: everybody who is not erased.")
    ] = None,
    role: Annotated[AnyRole | None, Query(description="Only people with this role.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> DirectoryPage:
    found, next_cursor = await directory(session, query, state, role, limit, cursor)
    return DirectoryPage(people=[_view(person) for person in found], next_cursor=next_cursor)


def _view(person: DirectoryEntry) -> DirectoryEntryView:
    fields = person._asdict()
    roles = [role for role in Role if fields.pop(role)]
    return DirectoryEntryView(**fields, roles=sorted(roles))
