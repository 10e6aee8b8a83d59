"""The audit log, for administrators."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from chassis.auth.identity import Administrator
from chassis.database.session import Transaction
from chassis.http.errors import InvalidRequest, NotAnAdministrator, responses
from chassis.http.paging import MAX_ID, Cursor, Limit

from .. import queries
from ..audit import AuditAction
from ..models import AuditEntry, Role
from ..queries import AuditFilter

PersonId = Annotated[int | None, Query(ge=1, le=MAX_ID)]
Moment = Annotated[
    # PostgreSQL and Python disagree about the years at the ends of the calendar.
    AwareDatetime | None,
    Query(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]

router = APIRouter(prefix="/api/audit", tags=["administration"])


class AuditEntryView(BaseModel):
    id: int
    at: datetime
    actor_id: int | None
    """The administrator. Null for an action at the operator's console."""
    deed: AuditAction
    """What was done."""
    subject_id: int
    """The person to whom it was done."""
    object_id: int | None
    """The tweet or the report that it was about. Null for an action about the person."""
    role: Role | None
    """The role that was given or taken away."""
    request_id: str | None
    """The id of the HTTP request, which is also in the logs."""


class AuditPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "acts": [
                        {
                            "id": 5,
                            "at": "2026-11-23T09:30:00.123456Z",
                            "actor_id": 1,
                            "deed": "deactivated",
                            "subject_id": 7,
                            "object_id": None,
                            "role": None,
                            "request_id": "4f0c2a9d1b7e6c35",
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    acts: list[AuditEntryView]
    next_cursor: str | None


@router.get(
    "",
    summary="Read the audit log of administrator actions, newest first (administrators)",
    responses=responses(NotAnAdministrator, InvalidRequest),
)
async def audit_log(
    identity: Administrator,
    session: Transaction,
    action: Annotated[AuditAction | None, Query(description="Only this kind of action.")] = None,
    actor: Annotated[PersonId, Query(description="Only by this person.")] = None,
    subject: Annotated[PersonId, Query(description="Only to this person.")] = None,
    since: Annotated[Moment, Query(description="Only at this moment or later.")] = None,
    until: Annotated[Moment, Query(description="Only before this moment.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> AuditPage:
    """The log holds ids and no names, so an entry stays when its person is erased. Entries cannot
    be changed or removed."""
    only = AuditFilter(action, actor, subject, since, until)
    entries, next_cursor = await queries.audit_entries(session, only, limit, cursor)
    return AuditPage(acts=[_view(entry) for entry in entries], next_cursor=next_cursor)


def _view(entry: AuditEntry) -> AuditEntryView:
    return AuditEntryView(
        id=entry.id,
        at=entry.at,
        actor_id=entry.actor_id,
        deed=AuditAction(entry.action),
        subject_id=entry.subject_id,
        object_id=entry.object_id,
        role=entry.role and Role(entry.role),
        request_id=entry.request_id,
    )
