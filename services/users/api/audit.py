"""The audit log, for administrators."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import Administrator
from chassis.database.session import Transaction
from chassis.http.errors import InvalidRequest, NotAnAdministrator, responses
from chassis.http.paging import Cursor, Limit

from .. import queries
from ..audit import AuditAction
from ..models import AuditEntry

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
    identity: Administrator, session: Transaction, limit: Limit = 20, cursor: Cursor = None
) -> AuditPage:
    """The log holds ids and no names, so an entry stays when its person is erased. Entries cannot
    be changed or removed."""
    entries, next_cursor = await queries.audit_entries(session, limit, cursor)
    return AuditPage(acts=[_view(entry) for entry in entries], next_cursor=next_cursor)


def _view(entry: AuditEntry) -> AuditEntryView:
    return AuditEntryView(
        id=entry.id,
        at=entry.at,
        actor_id=entry.actor_id,
        deed=AuditAction(entry.action),
        subject_id=entry.subject_id,
        request_id=entry.request_id,
    )
