"""The worker's job that deletes old notices."""

import asyncio
from datetime import timedelta

import structlog
from fastapi import FastAPI

from chassis.database.session import Database

from .settings import Settings

BATCH = 5_000
INTERVAL_SECONDS = 60

# Positions grow with time, so the old notices are the first ones.
_DELETE_OLD = """
with oldest as (
    select position, created_at from notice order by position limit $2
), deleted as (
    delete from notice using oldest
    where notice.position = oldest.position and oldest.created_at < now() - $1::interval
    returning 1
)
select count(*) as notices from deleted
"""

log = structlog.get_logger()


async def delete_old_notices(app: FastAPI) -> None:
    """Deletes old notices once a minute, until it is cancelled."""
    settings: Settings = app.state.settings
    max_age = timedelta(hours=settings.notice_retention_hours)
    while True:
        if deleted := await delete_notices(app.state.database, max_age):
            log.info("notices.deleted", notices=deleted)
        await asyncio.sleep(INTERVAL_SECONDS)


async def delete_notices(database: Database, max_age: timedelta) -> int:
    """Deletes the notices that are older, a batch per transaction. Returns how many."""
    total = 0
    while True:
        (row,) = await database.fetch(_DELETE_OLD, max_age, BATCH)
        deleted: int = row["notices"]
        total += deleted
        if deleted < BATCH:
            return total
