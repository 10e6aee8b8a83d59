"""Deletes published events from the outbox once they are older than the service keeps them.

The job goes through the outbox in the order of ids, a batch per transaction. Ids are drawn about in
the order in which events occur, so the job stops after the first batch that holds a young event,
and needs no index on the time. It runs beside the relay, which does not wait for it.
"""

import asyncio
from datetime import timedelta

import structlog
from fastapi import FastAPI
from sqlalchemy import text

from chassis.database.session import Database, execute
from chassis.settings import ProducerSettings

BATCH = 1_000
"""Rows that one statement reads at most."""
INTERVAL_SECONDS = 3600

# An old event that is not published stays, and the next run reads it again.
_PRUNE = text("""
with candidates as materialized (
    select id, occurred_at, published_at from outbox where id > :after order by id limit :batch
), deleted as (
    delete from outbox using candidates
    where outbox.id = candidates.id
      and candidates.published_at < now() - cast(:max_age as interval)
    returning outbox.id
)
select max(id) as last_id, (select count(*) from deleted) as deleted,
    coalesce(bool_and(occurred_at < now() - cast(:max_age as interval)), false) as all_old
from candidates
""")

log = structlog.get_logger()


async def prune(app: FastAPI) -> None:
    """The worker's job: prunes once an hour, until it is cancelled."""
    settings: ProducerSettings = app.state.settings
    assert settings.event_retention_days is not None
    while True:
        await prune_once(app.state.database, timedelta(days=settings.event_retention_days))
        await asyncio.sleep(INTERVAL_SECONDS)


async def prune_once(database: Database, max_age: timedelta) -> None:
    """Deletes events that were published more than `max_age` ago."""
    last_id, deleted, all_old = 0, 0, True
    while all_old:
        async with database.transaction() as session:
            parameters = {"after": last_id, "batch": BATCH, "max_age": max_age}
            result = (await execute(session, _PRUNE, parameters)).one()
        last_id, all_old = result.last_id, result.all_old
        deleted += result.deleted
    if deleted:
        log.info("outbox.pruned", events=deleted)
