"""Whatever becomes of the connection that hears of changes, no page is old for long."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import sentry_sdk

from chassis import testing
from chassis.database import Database
from chassis.events import EventId
from services.feed import arrivals, events, main
from services.feed.arrivals import Arrival, Arrivals
from services.feed.handlers import subscriptions
from services.feed.memory import Memory
from services.feed.settings import Settings
from tests.chaos.wire import Wire
from tests.waiting import PATIENCE_SECONDS

from .test_pages import hits, read

PATH = "/api/tweets?limit=6"


@pytest.fixture(autouse=True)
def impatient(as_service: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    as_service("feed")
    monkeypatch.setattr(arrivals, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(arrivals, "RECONNECT_SECONDS", 0)


async def until(memory: Memory, *, hears: bool) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while memory.hears is not hears:
            await asyncio.sleep(0)


async def test_a_database_that_falls_silent_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    direct = Database(Settings())
    posted = events.TweetPosted(
        tweet_id=51, author_id=951, content="…", attachments=[], created_at=datetime.now(UTC)
    )

    async def post(number: int) -> None:
        event = posted.model_copy(update={"tweet_id": number})
        await testing.deliver(direct, subscriptions, event.routing_key, event, number)

    async with Wire(0, int(os.environ["DB_PORT"])) as wire:
        monkeypatch.setenv("DB_PORT", str(wire.port))
        app = main.create_app()
        async with testing.serving(app) as feed, asyncio.timeout(PATIENCE_SECONDS):
            before = hits()
            while hits() == before:
                await read(feed, 951, PATH)

            wire.flowing.clear()
            await post(51)
            await until(app.state.pages._memory, hears=False)
            wire.flowing.set()

            assert len((await read(feed, 951, PATH)).json()["tweets"]) == 1
            await until(app.state.pages._memory, hears=True)
            await post(52)
            while len((await read(feed, 951, PATH)).json()["tweets"]) < 2:
                await asyncio.sleep(0.02)
    await direct.close()


async def test_no_error_ends_the_hearing(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = asyncpg.connect
    errors: list[Exception] = [
        asyncpg.InternalClientError(),
        asyncpg.TargetServerAttributeNotMatched(),
        RuntimeError("Nobody has thought of this one."),
    ]
    reported: list[Exception] = []

    async def connect_at_last(**arguments: Any) -> asyncpg.Connection:
        if errors:
            raise errors.pop()
        return await connect(**arguments)

    monkeypatch.setattr(asyncpg, "connect", connect_at_last)
    monkeypatch.setattr(sentry_sdk, "capture_exception", reported.append)
    database, memory = Database(Settings()), Memory(10_000)
    listening = asyncio.create_task(Arrivals(database, memory, database.connections(1)).listen())
    try:
        await until(memory, hears=True)
    finally:
        listening.cancel()
        await database.close()

    assert [type(error) for error in reported] == [RuntimeError]


async def test_who_comes_when_enough_wait_already_is_told_at_once_that_it_is_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrivals, "WAITING", 2)
    database = Database(Settings())
    heard = Arrivals(database, Memory(10_000), database.connections(1))
    never = [EventId(source="tweets", number=2**40)]
    waiting = [asyncio.create_task(heard.wait(never, 3600)) for _ in range(2)]
    try:
        await asyncio.sleep(0)
        assert await heard.wait(never, 3600) is Arrival.late
        assert not any(task.done() for task in waiting)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        await database.close()
