"""Every person is erased in turn, and once more when the grace period is over."""

import asyncio
from datetime import timedelta

from fastapi import FastAPI
from sqlalchemy import text

from chassis.database.session import Database, execute
from chassis.privacy import erasure
from chassis.privacy.erasure import Eraser
from tests.waiting import PATIENCE_SECONDS

ANN, BORIS, CARLA, DORA, EVA = 1, 2, 3, 4, 5


async def mark_erased(database: Database, *people: int) -> None:
    """Begins the erasure of these people, and forgets those of other tests."""
    async with database.transaction() as session:
        await execute(session, text("delete from erasure"))
    for user_id in people:
        async with database.transaction() as session:
            await erasure.mark_erased(session, user_id)


async def test_an_erasure_that_fails_does_not_delay_others(database: Database) -> None:
    swept: asyncio.Queue[int] = asyncio.Queue()

    async def sweep(database: Database, user_id: int) -> int:
        if user_id == ANN:
            raise ZeroDivisionError
        swept.put_nowait(user_id)
        return 0

    app = FastAPI()
    app.state.database, app.state.broker = database, None
    await mark_erased(database, ANN, BORIS)
    job = asyncio.create_task(Eraser(sweep).job(app))

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await swept.get() == BORIS
    job.cancel()
    await asyncio.wait([job])
    async with database.transaction() as session:
        later = text("select due_at > now() and finished_at is null from erasure where user_id = 1")
        assert (await execute(session, later)).scalar_one()


async def test_a_pass_that_began_too_early_is_not_the_last_however_long_it_took(
    database: Database,
) -> None:
    async def sweep_until_the_grace_period_is_over(database: Database, user_id: int) -> int:
        async with database.transaction() as session:
            await execute(session, text("update erasure set heard_at = clock_timestamp()"))
        return 0

    await mark_erased(database, ANN)

    assert not await Eraser(sweep_until_the_grace_period_is_over).run_pass(
        database, None, ANN, timedelta(0)
    )


async def test_two_workers_erase_different_people(database: Database) -> None:
    swept: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    proceed = asyncio.Event()
    app = FastAPI()
    app.state.database, app.state.broker = database, None

    def worker(name: str) -> asyncio.Task[None]:
        async def sweep(database: Database, user_id: int) -> int:
            swept.put_nowait((name, user_id))
            await proceed.wait()
            return 0

        return asyncio.create_task(Eraser(sweep).job(app))

    await mark_erased(database, CARLA, DORA)
    async with asyncio.timeout(30):
        jobs = [worker("one")]
        _, first = await swept.get()
        jobs.append(worker("two"))
        expected = ("two", DORA if first == CARLA else CARLA)

        assert await swept.get() == expected
    proceed.set()
    for job in jobs:
        job.cancel()
    await asyncio.wait(jobs)
    assert swept.empty()


async def test_each_batch_of_a_long_erasure_renews_the_lease(database: Database) -> None:
    has_lease: list[bool] = []

    async def sweep(database: Database, user_id: int) -> int:
        async with database.transaction() as session:
            lease = text("select due_at > now() from erasure where user_id = :id")
            has_lease.append((await execute(session, lease, {"id": user_id})).scalar_one())
            # As if the lease that the last batch renewed had expired.
            ended = text("update erasure set due_at = now() - interval '1 s' where user_id = :id")
            await execute(session, ended, {"id": user_id})
        return 0 if len(has_lease) == 3 else 1

    await mark_erased(database, EVA)
    await Eraser(sweep).run_pass(database, None, EVA)

    assert has_lease[1:] == [True, True]
