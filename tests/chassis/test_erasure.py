"""Everybody who is to be forgotten comes to their turn, and is looked for once more at the end."""

import asyncio
from datetime import timedelta

from fastapi import FastAPI
from sqlalchemy import text

from chassis import erasure
from chassis.database import Database, execute
from chassis.erasure import Eraser
from tests.waiting import PATIENCE_SECONDS

ANN, BORIS, CARLA, DORA, EVA = 1, 2, 3, 4, 5


async def hear(database: Database, *people: int) -> None:
    for user_id in people:
        async with database.transaction() as session:
            await erasure.hear(session, user_id)


async def test_an_erasure_that_fails_keeps_nobody_else_waiting(database: Database) -> None:
    swept: asyncio.Queue[int] = asyncio.Queue()

    async def sweep(database: Database, user_id: int) -> int:
        if user_id == ANN:
            raise ZeroDivisionError
        swept.put_nowait(user_id)
        return 0

    app = FastAPI()
    app.state.database, app.state.broker = database, None
    await hear(database, ANN, BORIS)
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
    async def until_the_time_is_up(database: Database, user_id: int) -> int:
        async with database.transaction() as session:
            await execute(session, text("update erasure set heard_at = clock_timestamp()"))
        return 0

    await hear(database, ANN)

    assert not await Eraser(until_the_time_is_up).advance(database, None, ANN, timedelta(0))


async def test_of_two_workers_each_erases_somebody_else(database: Database) -> None:
    swept: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    going_on = asyncio.Event()
    app = FastAPI()
    app.state.database, app.state.broker = database, None

    def worker(name: str) -> asyncio.Task[None]:
        async def sweep(database: Database, user_id: int) -> int:
            swept.put_nowait((name, user_id))
            await going_on.wait()
            return 0

        return asyncio.create_task(Eraser(sweep).job(app))

    await hear(database, CARLA, DORA)
    async with asyncio.timeout(30):
        jobs = [worker("one")]
        _, first = await swept.get()
        jobs.append(worker("two"))
        begun = ("two", DORA if first == CARLA else CARLA)

        assert await swept.get() == begun
    going_on.set()
    for job in jobs:
        job.cancel()
    await asyncio.wait(jobs)
    assert swept.empty()


async def test_an_erasure_that_takes_long_stays_with_its_worker(database: Database) -> None:
    left: list[bool] = []

    async def sweep(database: Database, user_id: int) -> int:
        async with database.transaction() as session:
            lease = text("select due_at > now() from erasure where user_id = :id")
            left.append((await execute(session, lease, {"id": user_id})).scalar_one())
            # The lease that the last step renewed is over.
            ended = text("update erasure set due_at = now() - interval '1 s' where user_id = :id")
            await execute(session, ended, {"id": user_id})
        return 0 if len(left) == 3 else 1

    await hear(database, EVA)
    await Eraser(sweep).advance(database, None, EVA)

    assert left[1:] == [True, True]
