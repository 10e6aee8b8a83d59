"""The import of stored events: slow batches, a database that stops answering, progress."""

import asyncio
import io
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from chassis.database.session import AnySession, Database, DatabaseUnavailable, fetch
from chassis.messaging import outbox
from chassis.messaging.events import EventId, from_milliseconds, to_milliseconds
from chassis.messaging.subscriptions import Subscriptions
from chassis.projections import event_dump
from chassis.projections.event_dump import StoredEvent
from chassis.projections.importer import Importer, ImportProgress
from services.tweets.settings import Settings
from tests.chaos.tcp_proxy import TcpProxy

from .conftest import ProbeEvent

_LOCK = "select pg_advisory_xact_lock(6002)"


def stored_events(probe_event: type[ProbeEvent], *numbers: int) -> list[StoredEvent]:
    payload, occurred_at = '{"number": 1}', datetime(2026, 1, 1, tzinfo=UTC)
    return [
        StoredEvent(
            EventId(probe_event.routing_key, number), probe_event.routing_key, payload, occurred_at
        )
        for number in numbers
    ]


def subscriptions_to(probe_event: type[ProbeEvent]) -> Subscriptions:
    subscriptions = Subscriptions("tweets")

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        raise AssertionError("The bulk handler takes these events.")

    return subscriptions


async def test_a_batch_that_is_too_slow_is_applied_event_by_event(
    as_service: Callable[[str], None], database: Database, probe_event: type[ProbeEvent]
) -> None:
    as_service("tweets")
    applied: list[int] = []

    async def bulk_handler(session: AnySession, events: Sequence[tuple[ProbeEvent, int]]) -> None:
        if len(events) > 1:
            # A timeout of all statements could also end the others, on a busy machine.
            async with asyncio.timeout(0.1):
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
    as_service: Callable[[str], None],
    probe_event: type[ProbeEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_service("tweets")
    monkeypatch.setattr("chassis.database.session.STATEMENT_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setenv("TWEETS_DB_CONNECTION_TIMEOUT_SECONDS", "0.5")

    async with TcpProxy(0, int(os.environ["DB_PORT"])) as proxy:

        async def bulk_handler(
            session: AnySession, events: Sequence[tuple[ProbeEvent, int]]
        ) -> None:
            proxy.flowing.clear()
            await fetch(session, "select 1")

        monkeypatch.setenv("DB_PORT", str(proxy.port))
        database = Database(Settings())
        importer = Importer(database, subscriptions_to(probe_event), {probe_event: bulk_handler})
        with pytest.raises(DatabaseUnavailable):
            await importer.apply(stored_events(probe_event, 4, 5))
        await database.close()

    assert (importer.applied, importer.failed) == (0, {})


async def test_an_imported_event_has_the_time_at_which_it_was_recorded(
    as_service: Callable[[str], None], database: Database, probe_event: type[ProbeEvent]
) -> None:
    async with database.transaction() as session:
        await outbox.record(session, probe_event(number=1))
        (row,) = await fetch(session, "select max(occurred_at) as occurred_at from outbox")
    times: list[datetime] = []

    async def bulk_handler(session: AnySession, events: Sequence[tuple[ProbeEvent, int]]) -> None:
        times.extend(event.occurred_at for event, _ in events)

    importer = Importer(database, subscriptions_to(probe_event), {probe_event: bulk_handler})
    lines = [line.encode() async for line in event_dump.dump(database)]
    async for _ in importer.run(io.BytesIO(b"\n".join(lines))):
        pass

    assert times == [from_milliseconds(to_milliseconds(row["occurred_at"]))]


def test_the_last_line_of_progress_is_printed_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("chassis.projections.importer.PROGRESS_INTERVAL_SECONDS", -1)
    progress = ImportProgress("feed")

    progress.expect(2)
    progress.add(2)
    progress.end()

    assert capsys.readouterr().out.count("feed: 2 of 2 events") == 1
