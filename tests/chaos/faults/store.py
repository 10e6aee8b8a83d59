"""The S3 store is killed, is slow, or closes connections in the middle of a body."""

import asyncio
import os
from datetime import timedelta

from chassis.database.session import Database
from operate import postgres
from services.media import jobs
from services.media.settings import Settings
from services.media.storage import Storage
from tests.chaos.harness import Bed, fault
from tests.chaos.load import Load

_WHOLE = "uploads are complete or refused; records and objects match"
_RECORDED = """
select name from media.media where purged_at is null
union select thumbnail from media.media where purged_at is null and thumbnail is not null
"""


async def objects_as_recorded(bed: Bed) -> list[str]:
    """Finds objects without a record, after the orphan sweep, and records without their objects."""
    await asyncio.to_thread(_sweep, bed)
    async with postgres.connect(bed.parts.database()) as connection:
        recorded = {row["name"] for row in await connection.fetch(_RECORDED)}
    stored = {file.name for file in (bed.parts.uploads / bed.parts.bucket).iterdir()}
    return [f"lost: the object {name} of a record" for name in recorded - stored] + [
        f"appeared: the object {name}, which no record names" for name in stored - recorded
    ]


def _sweep(bed: Bed) -> None:
    """Runs the worker's hourly sweep, for objects of any age, since no upload is in progress."""
    before = dict(os.environ)
    os.environ.update(bed.stack.service_environment("media"))
    try:
        settings = Settings()
    finally:
        os.environ.clear()
        os.environ.update(before)

    async def sweep() -> None:
        database = Database(settings)
        try:
            await jobs.sweep_orphans_once(database, Storage(settings), timedelta(0))
        finally:
            await database.close()

    asyncio.run(sweep())


@fault("the store killed (`kill -9`)", _WHOLE, check=objects_as_recorded)
async def store_killed(bed: Bed, load: Load) -> int:
    times = bed.times(10)
    for _ in range(times):
        await bed.kill("s3")
        await bed.pause(3)
    return times


@fault("the store slow: 1 s for each packet", _WHOLE, check=objects_as_recorded)
async def store_slow(bed: Bed, load: Load) -> int:
    assert bed.store_proxy is not None
    times = bed.times(2)
    for _ in range(times):
        bed.store_proxy.delay = 1.0
        await bed.pause(12)
        bed.store_proxy.delay = 0.0
        await bed.pause(3)
    return times


@fault("the store closes connections in the middle of a body", _WHOLE, check=objects_as_recorded)
async def store_broken_off(bed: Bed, load: Load) -> int:
    assert bed.store_proxy is not None
    before = bed.store_proxy.broken
    for _ in range(bed.times(10)):
        # A picture of the load has about 4 kB, its thumbnail less.
        bed.store_proxy.breaks_after = bed.chance.randint(500, 4_000)
        await bed.pause(3)
        bed.store_proxy.breaks_after = None
        await bed.pause(1)
    return bed.store_proxy.broken - before
