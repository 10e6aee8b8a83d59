"""What administrators did, for administrators."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from chassis.database import Transaction
from chassis.errors import InvalidRequest, NotAnAdministrator, responses
from chassis.identity import Administrator
from chassis.paging import Cursor, Limit

from .. import queries
from ..audit import Deed

router = APIRouter(prefix="/api/audit", tags=["users"])


class ActView(BaseModel):
    id: int
    at: datetime
    actor_id: int | None
    """Who did it; nobody's number where the operator did it by hand."""
    deed: Deed
    subject_id: int
    """To whom."""
    request_id: str | None
    """Of the request that asked for it, as it stands in the logs."""


class ActPage(BaseModel):
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
    acts: list[ActView]
    next_cursor: str | None


@router.get(
    "",
    summary="What administrators did, the latest first (administrators)",
    responses=responses(NotAnAdministrator, InvalidRequest),
)
async def acts(
    identity: Administrator, session: Transaction, limit: Limit = 20, cursor: Cursor = None
) -> ActPage:
    """Numbers, no names: it outlives whoever it is about. Nobody can change or remove a line."""
    found, following = await queries.acts(session, limit, cursor)
    return ActPage(acts=[ActView(**act.model_dump()) for act in found], next_cursor=following)
