"""A rebuilt feed equals the one before, also after interruptions; otherwise the rebuild refuses."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from chassis.messaging.events import to_milliseconds
from chassis.projections import backfill
from chassis.projections.event_dump import TruncatedDump
from chassis.projections.rebuild import Rebuild, RebuildRefused
from devstack.instance import Instance
from services.feed import events
from tests.waiting import eventually

from .histories import FeedModel, RecordedEvent, delete, erase, post, toggle_follow, toggle_like
from .test_handlers import deliver_one, empty

# A rebuild has one queue at the broker, whatever the database.
pytestmark = pytest.mark.exclusive

ANN, BORIS = 1, 2


def two_people() -> FeedModel:
    """A history of two people who post, like and delete."""
    model = FeedModel()
    for user_id, name in ((ANN, "Ann"), (BORIS, "Boris")):
        model.names[user_id] = name
        model.record("users", events.UserRegistered(user_id=user_id, name=name))
    toggle_follow(model, ANN, BORIS)
    for number in range(20):
        post(model, BORIS, f"number {number}")
        toggle_like(model, number + 1, ANN)
    for tweet_id in (3, 9):
        delete(model, tweet_id)
    toggle_like(model, 5, ANN)
    return model


def dump_of(
    events: Sequence[RecordedEvent], sources: Sequence[str] = ("users", "tweets", "media")
) -> io.BytesIO:
    """The dumps of these producers, one after another."""
    lines: list[Any] = []
    for source in sources:
        own = [each for each in events if each.source == source]
        lines += [{"source": source, "events": len(own)}]
        lines += [
            [
                each.number,
                each.event.routing_key,
                each.event.model_dump_json(),
                to_milliseconds(each.occurred_at),
            ]
            for each in own
        ]
        lines += [{"end": source}]
    return io.BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


@pytest.fixture
async def rebuild(
    stack: Instance, feed: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Rebuild]:
    """Uses a broker that no other test uses: their events would reach the copy as well."""
    monkeypatch.setattr("chassis.projections.rebuild.CATCH_UP_TIMEOUT_SECONDS", 0)
    monkeypatch.setattr("chassis.projections.rebuild.SERVING_TIMEOUT_SECONDS", 0)
    await empty(database)
    async with database.transaction() as session:
        await execute(session, text("comment on schema feed_fresh is null"))
    yield Rebuild("services.feed")


async def begin(rebuild: Rebuild) -> None:
    await asyncio.to_thread(rebuild.begin)


async def read(feed: httpx.AsyncClient, reader: int) -> list[tuple[int, str, int]]:
    answer = await feed.get(
        "/api/tweets?limit=20", headers=testing.identity_headers("feed", reader)
    )
    return [
        (tweet["id"], tweet["content"], tweet["like_count"]) for tweet in answer.json()["tweets"]
    ]


def expected(history: FeedModel, reader: int) -> list[tuple[int, str, int]]:
    return [(tweet["id"], tweet["content"], tweet["like_count"]) for tweet in history.feed(reader)]


async def until_read(feed: httpx.AsyncClient, history: FeedModel) -> None:
    async def is_read() -> bool:
        return await read(feed, ANN) == expected(history, ANN)

    await eventually(is_read)


async def test_a_damaged_feed_is_repaired_and_cached_pages_are_dropped(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = two_people()
    for event in history.events:
        await deliver_one(database, event)
    async with database.transaction() as session:
        await execute(session, text("update tweet set like_count = like_count + 1 where id < 15"))
    damaged = await read(feed, ANN)

    await begin(rebuild)
    await rebuild.finish(dump_of(history.events))

    assert damaged != expected(history, ANN)
    await until_read(feed, history)
    # The triggers of the swapped tables notify of changes as before.
    post(history, BORIS, "after it")
    await deliver_one(database, history.events[-1])
    await until_read(feed, history)


async def test_an_erased_person_does_not_come_back_with_a_rebuilt_feed(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = two_people()
    post(history, ANN, "liked by both")
    for user_id in (ANN, BORIS):
        toggle_like(history, history.posted, user_id)
    erase(history, BORIS)

    await begin(rebuild)
    await rebuild.finish(dump_of(history.events))
    await until_read(feed, history)

    assert await read(feed, ANN) == expected(history, ANN) == [(21, "liked by both", 1)]
    async with database.transaction() as session:
        for statement in (
            "select count(*) from follow",
            f"select count(*) from tweet where author_id = {BORIS}",
            f"select count(*) from tweet_like where user_id = {BORIS}",
            "select count(*) from person where name = 'Boris'",
        ):
            assert (await execute(session, text(statement))).scalar_one() == 0, statement


async def test_a_feed_that_was_lost_is_rebuilt(rebuild: Rebuild, feed: httpx.AsyncClient) -> None:
    history = two_people()

    await begin(rebuild)
    await rebuild.finish(dump_of(history.events))

    assert await read(feed, ANN) == expected(history, ANN)


async def test_a_truncated_dump_changes_nothing_and_the_next_attempt_continues(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = two_people()
    for event in history.events[:4]:
        await deliver_one(database, event)
    before = await read(feed, ANN)
    whole = dump_of(history.events).getvalue().splitlines(keepends=True)

    await begin(rebuild)
    for end in (len(whole) // 2, len(whole) - 1):
        with pytest.raises(TruncatedDump):
            await rebuild.finish(io.BytesIO(b"".join(whole[:end])))
        assert await read(feed, ANN) == before
    await begin(rebuild)
    await rebuild.finish(dump_of(history.events))

    await until_read(feed, history)


async def test_the_missing_dump_of_a_producer_is_noticed_even_if_the_inbox_was_lost(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = two_people()
    for event in history.events:
        await deliver_one(database, event)
    async with database.transaction() as session:
        await execute(session, text("truncate inbox"))

    await begin(rebuild)
    for sources in (["tweets"], ["users"], []):
        with pytest.raises(TruncatedDump, match="tweets" if "tweets" not in sources else "users"):
            await rebuild.finish(dump_of(history.events, sources))
        with pytest.raises(TruncatedDump):
            await backfill.backfill("services.feed", dump_of(history.events, sources))

    assert await read(feed, ANN) == expected(history, ANN)


async def test_a_feed_is_not_replaced_by_a_copy_that_lacks_events_no_longer_stored(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = two_people()
    for event in history.events:
        await deliver_one(database, event)

    await begin(rebuild)
    with pytest.raises(RebuildRefused, match=r"lacks 5 events .*RETENTION"):
        await rebuild.finish(dump_of(history.events[5:]))

    assert await read(feed, ANN) == expected(history, ANN)


async def test_a_handler_that_fails_prevents_the_swap_and_the_message_names_the_event(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = two_people()
    for event in history.events:
        await deliver_one(database, event)
    await begin(rebuild)
    async with database.transaction() as session:
        await execute(
            session,
            text(
                "alter table feed_fresh.tweet add constraint bug check (card not like '%number 7%')"
            ),
        )

    with pytest.raises(
        RebuildRefused, match=r"(?s)lacks 1 events.*tweets:\d+: CheckViolationError"
    ):
        await rebuild.finish(dump_of(history.events))
    async with database.transaction() as session:
        await execute(session, text("alter table feed_fresh.tweet drop constraint bug"))
    await rebuild.finish(dump_of(history.events))

    assert await read(feed, ANN) == expected(history, ANN)


async def test_a_copy_that_other_code_began_is_created_anew(
    rebuild: Rebuild, feed: httpx.AsyncClient, database: Database
) -> None:
    history = two_people()
    await begin(rebuild)
    async with database.transaction() as session:
        await execute(session, text("comment on schema feed_fresh is 'another version'"))
        await execute(session, text("insert into feed_fresh.tweet (id, author_id) values (1, 9)"))

    with pytest.raises(RebuildRefused, match="--begin"):
        await rebuild.finish(dump_of(history.events))
    await begin(rebuild)
    await rebuild.finish(dump_of(history.events))

    assert await read(feed, ANN) == expected(history, ANN)


@pytest.mark.parametrize("service", ["users", "tweets"])
def test_a_service_with_data_of_its_own_is_not_rebuilt(service: str) -> None:
    with pytest.raises(RebuildRefused, match="data of its own"):
        Rebuild(f"services.{service}").begin()
