"""The periodic jobs of the worker: they expire, purge and sweep pictures.

`expire_unattached` starts the removal of pictures that are not attached to a tweet (see
`handlers`). `purge_removed` deletes the objects of removed pictures from the store. The store has
no transactions, so each object is deleted at least once, and marked as purged afterwards.
`sweep_orphans` deletes objects without a record. They remain when a process dies between storing an
upload's objects and committing its record.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog
from fastapi import FastAPI

from chassis.database.session import Database

from . import commands, queries
from .settings import Settings
from .storage import Storage

PURGE_INTERVAL_SECONDS = 1
EXPIRY_INTERVAL_SECONDS = 60
SWEEP_INTERVAL_SECONDS = 3600
ORPHAN_AGE = timedelta(days=1)
"""A younger object without a record may belong to an upload in progress."""

log = structlog.get_logger()


async def purge_removed(app: FastAPI) -> None:
    """Deletes the objects of removed pictures from the store."""
    while True:
        await purge_removed_once(app.state.database, app.state.storage)
        await asyncio.sleep(PURGE_INTERVAL_SECONDS)


async def purge_removed_once(database: Database, storage: Storage) -> None:
    # Every second, and almost always in vain: a bare connection is cheaper than a session.
    if not await database.fetch(queries.IS_LEFT_TO_PURGE):
        return
    async with database.transaction() as session:
        if await queries.backup_in_progress(session):
            # Its copy of the database may contain pictures that were removed since it began, so
            # their objects must stay until the backup has copied the store: see docs/adr/0025.
            return
        removed = await queries.media_to_purge(session, commands.BATCH)
        portraits = await queries.portraits_to_purge(session, commands.BATCH)
    names = [name for media in removed for name in (media.name, media.thumbnail) if name]
    names += [name for portrait in portraits for name in portrait.sizes]
    for name in names:
        await storage.remove(name)
    if names:
        async with database.transaction() as session:
            await commands.mark_purged(
                session,
                [media.id for media in removed],
                [portrait.id for portrait in portraits],
            )
        log.info("objects.purged", objects=len(names))


async def expire_unattached(app: FastAPI) -> None:
    """Publishes `media.expired.v1` about pictures whose time to be attached is over."""
    settings: Settings = app.state.settings
    while True:
        # A bare connection, because it is almost always in vain.
        async with app.state.database.direct_transaction() as session:
            expired = await commands.expire_unattached(session, settings.unattached_ttl_hours)
        if expired < commands.BATCH:
            await asyncio.sleep(EXPIRY_INTERVAL_SECONDS)


async def sweep_orphans(app: FastAPI) -> None:
    """Deletes objects from the store that no record names."""
    while True:
        await sweep_orphans_once(app.state.database, app.state.storage, ORPHAN_AGE)
        await asyncio.sleep(SWEEP_INTERVAL_SECONDS)


async def sweep_orphans_once(database: Database, storage: Storage, min_age: timedelta) -> None:
    names = await storage.names_before(datetime.now(UTC) - min_age)
    for start in range(0, len(names), commands.BATCH):
        batch = names[start : start + commands.BATCH]
        async with database.transaction() as session:
            recorded = await queries.recorded_names(session, batch)
        for name in set(batch) - recorded:
            await storage.remove(name)
            log.warning("orphan.removed", name=name)
