"""What the worker does by the clock: pictures whose time is up, and objects that nobody names.

Removing an object is an effect outside the database: it is done at least once, and marked after.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog
from fastapi import FastAPI

from chassis.database import Database

from . import commands, queries
from .settings import Settings
from .storage import Storage

PURGE_SECONDS = 1
EXPIRE_SECONDS = 60
SWEEP_SECONDS = 3600
ORPHAN_AGE = timedelta(days=1)
"""An object without a record is an upload that died between the two, or one that is under way."""

log = structlog.get_logger()


async def purge(app: FastAPI) -> None:
    """Takes the objects of removed pictures from the store."""
    while True:
        await purge_once(app.state.database, app.state.storage)
        await asyncio.sleep(PURGE_SECONDS)


async def purge_once(database: Database, storage: Storage) -> None:
    async with database.transaction() as session:
        if await queries.backup_is_made(session):
            # Its database may know a picture that was there when it began: see docs/adr/0025.
            return
        doomed = await queries.unpurged(session, commands.BATCH)
    for media in doomed:
        for name in filter(None, (media.name, media.thumbnail)):
            await storage.remove(name)
    if doomed:
        async with database.transaction() as session:
            await commands.mark_purged(session, [media.id for media in doomed])
        log.info("objects.purged", objects=len(doomed))


async def expire(app: FastAPI) -> None:
    """Asks about uploads that a tweet had time to take."""
    settings: Settings = app.state.settings
    while True:
        async with app.state.database.transaction() as session:
            asked = await commands.expire(session, settings.untaken_hours)
        if asked < commands.BATCH:
            await asyncio.sleep(EXPIRE_SECONDS)


async def sweep(app: FastAPI) -> None:
    """Takes objects from the store that no record names."""
    while True:
        await sweep_once(app.state.database, app.state.storage, ORPHAN_AGE)
        await asyncio.sleep(SWEEP_SECONDS)


async def sweep_once(database: Database, storage: Storage, age: timedelta) -> None:
    names = await storage.names_before(datetime.now(UTC) - age)
    for start in range(0, len(names), commands.BATCH):
        batch = names[start : start + commands.BATCH]
        async with database.transaction() as session:
            known = await queries.known_names(session, batch)
        for name in set(batch) - known:
            await storage.remove(name)
            log.warning("object.swept", name=name)
