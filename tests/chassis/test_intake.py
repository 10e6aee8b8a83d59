"""A batch of kept events that is too slow is applied in smaller parts."""

import asyncio
import os
from collections.abc import Callable, Sequence

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database, DatabaseUnavailable, fetch
from chassis.events import EventId
from chassis.intake import Intake
from chassis.kept import Kept
from chassis.subscriptions import Subscriptions
from services.tweets.settings import Settings
from tests.chaos.wire import Wire

from .conftest import Happened

_LOCK = "select pg_advisory_xact_lock(6002)"


def kept(happened: type[Happened], *numbers: int) -> list[Kept]:
    payload = '{"number": 1}'
    return [
        Kept(EventId(happened.routing_key, number), happened.routing_key, payload)
        for number in numbers
    ]


def reactions_of(happened: type[Happened]) -> Subscriptions:
    reactions = Subscriptions("tweets")

    @reactions.on(happened)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None:
        raise AssertionError("The bulk handler takes these events.")

    return reactions


async def test_a_batch_that_is_too_slow_is_applied_event_by_event(
    database: Database, happened: type[Happened]
) -> None:
    applied: list[int] = []

    async def together(session: AsyncSession, events: Sequence[tuple[Happened, int]]) -> None:
        if len(events) > 1:
            async with asyncio.timeout(0.1):
                await fetch(session, _LOCK)
        applied.extend(version for _, version in events)

    own = Database(Settings())
    intake = Intake(own, reactions_of(happened), {happened: together})
    async with database.transaction() as session:
        await fetch(session, _LOCK)
        await intake.take(kept(happened, 1, 2, 3))
    await own.close()

    assert (applied, intake.taken, intake.failed) == ([1, 2, 3], 3, {})


async def test_a_database_that_stops_answering_ends_the_import_and_leaves_no_event_out(
    as_service: Callable[[str], None], happened: type[Happened], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_service("tweets")
    async with Wire(0, int(os.environ["DB_PORT"])) as wire:

        async def together(session: AsyncSession, events: Sequence[tuple[Happened, int]]) -> None:
            wire.flowing.clear()
            monkeypatch.setattr("chassis.database.CONNECT_SECONDS", 0.1)
            async with asyncio.timeout(0.1):
                await fetch(session, "select 1")

        monkeypatch.setenv("DB_PORT", str(wire.port))
        database = Database(Settings())
        intake = Intake(database, reactions_of(happened), {happened: together})
        with pytest.raises(DatabaseUnavailable):
            await intake.take(kept(happened, 4, 5))
        await database.close()

    assert (intake.taken, intake.failed) == (0, {})
