"""Events that are older than a service keeps them go, and nobody waits for it."""

import asyncio
from datetime import timedelta

import pytest
from aio_pika.abc import AbstractRobustConnection
from sqlalchemy import text

from chassis import retention, worker
from chassis.database import Database, execute
from deploy.local.instance import Instance
from services.tweets.settings import Settings
from tests.waiting import PATIENCE_SECONDS

from .conftest import Happened
from .test_relay import listening, received, record


async def test_old_events_that_cannot_be_pruned_now_hold_up_no_new_ones(
    infrastructure: Instance,
    database: Database,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TWEETS_BROKER_URL", infrastructure.broker_url)
    monkeypatch.setenv("TWEETS_EVENT_RETENTION_DAYS", "1")
    queue = await listening(connection, happened)
    await record(database, happened, range(1))
    await old(database, happened, published=True)
    app = worker.create(Settings())

    # The row is somebody else's for now: an erasure writes into it.
    async with database.transaction() as session:
        await execute(session, text("select from outbox for update"))
        async with asyncio.timeout(PATIENCE_SECONDS), app.router.lifespan_context(app):
            for number in range(1, 10):
                await record(database, happened, range(number, number + 1))
                assert await received(queue, 1) == [number]


async def old(database: Database, happened: type[Happened], *, published: bool) -> None:
    """Has all of its events occurred, and been published or not, some days ago."""
    async with database.transaction() as session:
        statement = text("""
            update outbox set occurred_at = now() - interval '3 days',
                published_at = case when :published then now() - interval '2 days' end
            where routing_key = :key
        """)
        await execute(session, statement, {"key": happened.routing_key, "published": published})


async def test_what_is_published_and_old_enough_is_pruned_and_nothing_else(
    database: Database, happened: type[Happened], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.retention.BATCH", 2)
    pending_, young = (
        type(name, (Happened,), {"routing_key": f"{name}{happened.routing_key}"})
        for name in ("pending", "young")
    )
    async with database.transaction() as session:
        await execute(session, text("truncate outbox"))
    await record(database, happened, range(3))
    await record(database, pending_, range(3))
    await record(database, happened, range(4))
    await old(database, happened, published=True)
    await old(database, pending_, published=False)
    await record(database, young, range(3))

    await retention.prune_once(database, timedelta(days=1))

    assert await kept(database, happened) == 0
    assert await kept(database, pending_) == 3
    assert await kept(database, young) == 3


async def kept(database: Database, happened: type[Happened]) -> int:
    statement = text("select count(*) from outbox where routing_key = :key")
    async with database.transaction() as session:
        found = await execute(session, statement, {"key": happened.routing_key})
        return int(found.scalar_one())
