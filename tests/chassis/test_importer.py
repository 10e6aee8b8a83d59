"""A batch of stored events that is too slow is applied event by event."""

import os
from collections.abc import Callable, Sequence

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import Database, DatabaseUnavailable, fetch
from chassis.messaging.events import EventId
from chassis.messaging.subscriptions import Subscriptions
from chassis.projections.event_dump import StoredEvent
from chassis.projections.importer import Importer
from services.tweets.settings import Settings
from tests.chaos.tcp_proxy import TcpProxy

from .conftest import ProbeEvent

_LOCK = "select pg_advisory_xact_lock(6002)"


def stored_events(probe_event: type[ProbeEvent], *numbers: int) -> list[StoredEvent]:
    payload = '{"number": 1}'
    return [
        StoredEvent(EventId(probe_event.routing_key, number), probe_event.routing_key, payload)
        for number in numbers
    ]


def subscriptions_to(probe_event: type[ProbeEvent]) -> Subscriptions:
    subscriptions = Subscriptions("tweets")

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AsyncSession, event: ProbeEvent, version: int) -> None:
        raise AssertionError("The bulk handler takes these events.")

    return subscriptions


@pytest.fixture
def short_statement_timeout(
    as_service: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_service("tweets")
    monkeypatch.setattr("chassis.database.session.STATEMENT_TIMEOUT_SECONDS", 0.1)


async def test_a_batch_that_is_too_slow_is_applied_event_by_event(
    short_statement_timeout: None, database: Database, probe_event: type[ProbeEvent]
) -> None:
    applied: list[int] = []

    async def bulk_handler(session: AsyncSession, events: Sequence[tuple[ProbeEvent, int]]) -> None:
        if len(events) > 1:
            await fetch(session, _LOCK)
        applied.extend(version for _, version in events)

    import_database = Database(Settings())
    importer = Importer(import_database, subscriptions_to(probe_event), {probe_event: bulk_handler})
    async with database.transaction() as session:
        await fetch(session, _LOCK)
        await importer.apply(stored_events(probe_event, 1, 2, 3))
    await import_database.close()

    assert (applied, importer.applied, importer.failed) == ([1, 2, 3], 3, {})


async def test_a_database_that_stops_answering_ends_the_import_and_skips_no_event(
    short_statement_timeout: None, probe_event: type[ProbeEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.database.session.CONNECT_TIMEOUT_SECONDS", 0.5)

    async with TcpProxy(0, int(os.environ["DB_PORT"])) as wire:

        async def bulk_handler(
            session: AsyncSession, events: Sequence[tuple[ProbeEvent, int]]
        ) -> None:
            wire.flowing.clear()
            await fetch(session, "select 1")

        monkeypatch.setenv("DB_PORT", str(wire.port))
        database = Database(Settings())
        importer = Importer(database, subscriptions_to(probe_event), {probe_event: bulk_handler})
        with pytest.raises(DatabaseUnavailable):
            await importer.apply(stored_events(probe_event, 4, 5))
        await database.close()

    assert (importer.applied, importer.failed) == (0, {})
