"""The internal HTTP route that reports how far a service is with erasing a person.

Each service answers for itself; the gateway combines the answers.
"""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from chassis.auth.identity import Administrator
from chassis.database.session import Transaction, execute
from chassis.http.models import Id

_PROGRESS = text(
    "select erased, heard_at, cleared_at, finished_at from erasure where user_id = :id"
)


class ErasureProgress(BaseModel):
    """How far a service is with erasing a person."""

    state: Literal["waiting", "erasing", "settling", "finished"]
    """`waiting`: the service has not learned of the erasure. `settling`: everything is deleted, but
    data of the person may still arrive until the grace period is over."""
    erased: int = 0
    """How many things of the person are deleted."""
    heard_at: datetime | None = None
    cleared_at: datetime | None = None
    finished_at: datetime | None = None


router = APIRouter(prefix="/internal", include_in_schema=False)


@router.get("/erasures/{id}")
async def progress(id: Id, identity: Administrator, session: Transaction) -> ErasureProgress:
    row = (await execute(session, _PROGRESS, {"id": id})).first()
    if row is None:
        return ErasureProgress(state="waiting")
    state: Literal["erasing", "settling", "finished"] = "erasing"
    if row.finished_at is not None:
        state = "finished"
    elif row.cleared_at is not None:
        state = "settling"
    return ErasureProgress(state=state, **row._asdict())
