"""Takes published events that are older than the service keeps them out of its outbox.

A job beside the relay, a batch a transaction, by number: events get theirs about in the order in
which they occur, so the first batch with a young one is the last. No index is needed for it.
"""

import asyncio
from datetime import timedelta

import structlog
from fastapi import FastAPI
from sqlalchemy import text

from .database import Database, execute
from .settings import ServiceSettings

BATCH = 1_000
PRUNE_SECONDS = 3600

# What is old and not published stays, and is looked at once an hour.
_PRUNE = text("""
with looked_at as materialized (
    select id, occurred_at, published_at from outbox where id > :after order by id limit :batch
), gone as (
    delete from outbox using looked_at
    where outbox.id = looked_at.id
      and looked_at.published_at < now() - cast(:kept_for as interval)
    returning outbox.id
)
select max(id) as last, (select count(*) from gone) as gone,
    coalesce(bool_and(occurred_at < now() - cast(:kept_for as interval)), false) as all_old
from looked_at
""")

log = structlog.get_logger()


async def prune(app: FastAPI) -> None:
    settings: ServiceSettings = app.state.settings
    assert settings.event_retention_days is not None
    while True:
        await prune_once(app.state.database, timedelta(days=settings.event_retention_days))
        await asyncio.sleep(PRUNE_SECONDS)


async def prune_once(database: Database, kept_for: timedelta) -> None:
    last, gone, all_old = 0, 0, True
    while all_old:
        async with database.transaction() as session:
            batch = {"after": last, "batch": BATCH, "kept_for": kept_for}
            done = (await execute(session, _PRUNE, batch)).one()
        last, all_old = done.last, done.all_old
        gone += done.gone
    if gone:
        log.info("outbox.pruned", events=gone)
