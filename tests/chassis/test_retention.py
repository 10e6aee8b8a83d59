"""Events that are older than a service keeps them are deleted, and no relay waits for that."""

import asyncio
from datetime import timedelta

import pytest
from aio_pika.abc import AbstractRobustConnection
from sqlalchemy import text

from chassis.database.session import Database, execute
from chassis.messaging import retention
from chassis.process import worker
from devstack.instance import Instance
from services.tweets.settings import Settings
from tests.waiting import PATIENCE_SECONDS

from .conftest import ProbeEvent
from .test_relay import bind_queue, receive, record


async def test_old_events_that_cannot_be_pruned_now_delay_no_new_ones(
    infrastructure: Instance,
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TWEETS_BROKER_URL", infrastructure.broker_url)
    monkeypatch.setenv("TWEETS_EVENT_RETENTION_DAYS", "1")
    queue = await bind_queue(connection, probe_event)
    await record(database, probe_event, range(1))
    await make_old(database, probe_event, published=True)
    app = worker.create(Settings())

    # Another transaction holds the row, as an erasure does that redacts it.
    async with database.transaction() as session:
        await execute(session, text("select from outbox for update"))
        async with asyncio.timeout(PATIENCE_SECONDS), app.router.lifespan_context(app):
            for number in range(1, 10):
                await record(database, probe_event, range(number, number + 1))
                assert await receive(queue, 1) == [number]


async def make_old(database: Database, probe_event: type[ProbeEvent], *, published: bool) -> None:
    """Backdates the events of this class by some days."""
    async with database.transaction() as session:
        statement = text("""
            update outbox set occurred_at = now() - interval '3 days',
                published_at = case when :published then now() - interval '2 days' end
            where routing_key = :key
        """)
        await execute(session, statement, {"key": probe_event.routing_key, "published": published})


async def test_only_events_that_are_published_and_old_enough_are_pruned(
    database: Database, probe_event: type[ProbeEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.messaging.retention.BATCH", 2)
    pending_event, young_event = (
        type(name, (ProbeEvent,), {"routing_key": f"{name}{probe_event.routing_key}"})
        for name in ("pending", "young")
    )
    async with database.transaction() as session:
        await execute(session, text("truncate outbox"))
    await record(database, probe_event, range(3))
    await record(database, pending_event, range(3))
    await record(database, probe_event, range(4))
    await make_old(database, probe_event, published=True)
    await make_old(database, pending_event, published=False)
    await record(database, young_event, range(3))

    await retention.prune_once(database, timedelta(days=1))

    assert await count_events(database, probe_event) == 0
    assert await count_events(database, pending_event) == 3
    assert await count_events(database, young_event) == 3


async def count_events(database: Database, probe_event: type[ProbeEvent]) -> int:
    statement = text("select count(*) from outbox where routing_key = :key")
    async with database.transaction() as session:
        found = await execute(session, statement, {"key": probe_event.routing_key})
        return int(found.scalar_one())
