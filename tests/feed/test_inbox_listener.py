"""The listening connection: if it is lost, no page stays stale, and waiting reads are limited."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import sentry_sdk

from chassis import testing
from chassis.database import listen_notify
from chassis.database.session import Database
from chassis.messaging.events import EventId
from chassis.observability import error_reporting
from services.feed import api_process, events, inbox_listener
from services.feed.handlers import subscriptions
from services.feed.inbox_listener import Freshness, InboxListener
from services.feed.invalidating_cache import InvalidatingCache
from services.feed.settings import Settings
from tests.chaos.tcp_proxy import TcpProxy
from tests.waiting import PATIENCE_SECONDS

from .test_page_cache import hits, read

PATH = "/api/tweets?limit=6"


@pytest.fixture(autouse=True)
def impatient(as_service: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    as_service("feed")
    monkeypatch.setattr(listen_notify, "CHECK_INTERVAL_SECONDS", 0.1)
    monkeypatch.setattr(listen_notify, "RECONNECT_DELAY_SECONDS", 0)


async def until(cache: InvalidatingCache, *, connected: bool) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while cache.connected is not connected:
            await asyncio.sleep(0)


async def test_a_database_that_stops_responding_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    direct = Database(Settings())
    posted = events.TweetPosted(
        tweet_id=51, author_id=951, content="…", attachments=[], created_at=datetime.now(UTC)
    )

    async def post(number: int) -> None:
        event = posted.model_copy(update={"tweet_id": number})
        await testing.deliver(direct, subscriptions, event.routing_key, event, number)

    async with TcpProxy(0, int(os.environ["DB_PORT"])) as proxy:
        monkeypatch.setenv("DB_PORT", str(proxy.port))
        app = api_process.create_app()
        async with testing.client_for(app) as feed, asyncio.timeout(PATIENCE_SECONDS):
            before = hits()
            while hits() == before:
                await read(feed, 951, PATH)

            proxy.flowing.clear()
            await post(51)
            await until(app.state.page_cache._cache, connected=False)
            proxy.flowing.set()

            assert len((await read(feed, 951, PATH)).json()["tweets"]) == 1
            await until(app.state.page_cache._cache, connected=True)
            await post(52)
            while len((await read(feed, 951, PATH)).json()["tweets"]) < 2:
                await asyncio.sleep(0.02)
    await direct.close()


async def test_no_error_ends_the_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = asyncpg.connect
    errors: list[Exception] = [
        asyncpg.InternalClientError(),
        asyncpg.TargetServerAttributeNotMatched(),
        RuntimeError("An error of an unexpected class."),
    ]
    reported: list[Exception] = []

    async def connect_after_errors(**arguments: Any) -> asyncpg.Connection:
        if errors:
            raise errors.pop()
        return await connect(**arguments)

    monkeypatch.setattr(asyncpg, "connect", connect_after_errors)
    monkeypatch.setattr(error_reporting, "_is_enabled", True)
    monkeypatch.setattr(sentry_sdk, "capture_exception", reported.append)
    database, cache = Database(Settings()), InvalidatingCache(10_000)
    listener = InboxListener(database, cache, database.create_pool(1))
    listening = asyncio.create_task(listener.listen())
    try:
        await until(cache, connected=True)
    finally:
        listening.cancel()
        await database.close()

    assert [type(error) for error in reported] == [RuntimeError]


async def test_a_read_times_out_at_once_if_too_many_reads_wait_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox_listener, "MAX_WAITING_READS", 2)
    database = Database(Settings())
    listener = InboxListener(database, InvalidatingCache(10_000), database.create_pool(1))
    never = [EventId(source="tweets", number=2**40)]
    waiting = [asyncio.create_task(listener.wait_for(never, 3600)) for _ in range(2)]
    try:
        await asyncio.sleep(0)
        assert await listener.wait_for(never, 3600) is Freshness.timed_out
        assert not any(task.done() for task in waiting)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        await database.close()
