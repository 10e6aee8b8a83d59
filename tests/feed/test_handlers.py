"""Handlers commute: events in any order, also repeated, lead to the same tables and feeds."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from chassis.messaging.events import EventId
from chassis.projections.event_dump import StoredEvent
from chassis.projections.importer import Importer
from services.feed import api_process
from services.feed.handlers import subscriptions
from services.feed.privacy import eraser
from services.feed.rebuild_handlers import rebuild_handlers
from tests.examples import examples
from tests.row_counts import count_rows, largest

from .histories import (
    MAX_ANCESTORS,
    PEOPLE,
    THREAD_STEPS,
    FeedModel,
    RecordedEvent,
    delete,
    feed_models,
    post,
    toggle_follow,
    toggle_like,
)
from .histories import erase as erase_person

COLUMNS = {
    "person": "*",
    "follow": "*",
    "tweet": "*",
    "reply": "*",
    "tweet_tag": "*",
    "tag_follow": "*",
    "tweet_like": "*",
    "likes_to_delete": "*",
    # The times of handling and erasure, and the number of steps, depend on the order.
    "inbox": "source, id",
    "erasure": "user_id",
}


@pytest.fixture(scope="module")
def app(as_service: Callable[[str], None]) -> FastAPI:
    """Caches nothing: the tests compare a feed as soon as its events are handled, and reuse ids."""
    as_service("feed")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEED_CACHE_BYTES", "0")
        return api_process.create_app()


async def empty(database: Database) -> None:
    async with database.transaction() as session:
        await execute(session, text(f"truncate {', '.join(COLUMNS)}"))


async def _tables(database: Database) -> dict[str, list[Any]]:
    """All rows, without the columns that depend on the order of the events."""
    stored: dict[str, list[Any]] = {}
    async with database.transaction() as session:
        for table, columns in COLUMNS.items():
            rows = await execute(session, text(f"select {columns} from {table} t order by t"))
            stored[table] = [tuple(row) for row in rows]
    return stored


async def deliver_one(database: Database, recorded: RecordedEvent) -> None:
    key = recorded.event.routing_key
    await testing.deliver(
        database,
        subscriptions,
        key,
        recorded.event,
        recorded.number,
        recorded.source,
        recorded.occurred_at,
    )


async def erase(database: Database, model: FeedModel) -> None:
    """Runs the worker's erasure job until nothing is left to erase."""
    for user_id in model.erased:
        assert await eraser.run_pass(database, None, user_id, grace_period=timedelta(0))
    assert eraser.clean_up is not None
    while await eraser.clean_up(database):
        continue


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes batches so small that a popular tweet of these histories has more likes than one."""
    for name in ("handlers.LIKES_BATCH", "privacy.LIKES_BATCH", "privacy.BATCH"):
        monkeypatch.setattr(f"services.feed.{name}", 2)


async def test_no_statement_deletes_more_likes_than_a_batch(
    database: Database,
) -> None:
    await empty(database)
    ann, boris, fans = 1, 2, range(3, 11)
    model = FeedModel(dict.fromkeys((ann, boris, *fans), "…"))
    for author in (ann, ann, ann, boris):
        post(model, author, "…")
    for tweet_id in model.tweets:
        for fan in fans:
            toggle_like(model, tweet_id, fan)
    for fan in fans:
        toggle_follow(model, fan, ann)
    for recorded in model.events:
        await deliver_one(database, recorded)
    await count_rows(database, ("tweet", "tweet_like", "follow", "likes_to_delete"))

    delete(model, 4)
    erase_person(model, ann)
    for recorded in model.events[-3:]:
        await deliver_one(database, recorded)
    await erase(database, model)

    stored = await _tables(database)
    assert stored["tweet_like"] == stored["follow"] == stored["likes_to_delete"] == []
    assert await largest(database) == {
        "tweet": 2,
        "tweet_like": 2,
        "follow": 2,
        "likes_to_delete": 2,
    }


@pytest.mark.property
@settings(
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(model=feed_models() | feed_models(THREAD_STEPS, min_steps=15), data=st.data())
async def test_events_in_any_order_and_repeated_lead_to_the_same_tables(
    database: Database, feed: httpx.AsyncClient, model: FeedModel, data: st.DataObject
) -> None:
    await empty(database)
    for recorded in model.events:
        await deliver_one(database, recorded)
    await erase(database, model)
    in_order = await _tables(database)
    repeated = data.draw(st.lists(st.sampled_from(model.events), max_size=10))
    shuffled = data.draw(st.permutations([*model.events, *repeated]))

    await empty(database)
    for recorded in shuffled:
        await deliver_one(database, recorded)
    await erase(database, model)

    assert await _tables(database) == in_order
    for reader in set(range(1, PEOPLE + 1)) - model.hidden:
        response = await feed.get("/api/tweets", headers=testing.identity_headers("feed", reader))
        expected = model.feed(reader)
        assert [_part(tweet) for tweet in response.json()["tweets"]] == expected
    await _compare_threads(feed, model)


def _part(tweet: dict[str, Any]) -> dict[str, Any]:
    """The members of a tweet that the model has."""
    members = ("content", "author", "likes", "like_count", "liked", "reply_count", "entities")
    return {"id": tweet["id"], **{key: tweet[key] for key in members if key in tweet}}


async def _compare_threads(feed: httpx.AsyncClient, model: FeedModel) -> None:
    reader = PEOPLE + 1
    headers = testing.identity_headers("feed", reader)
    for tweet_id in range(1, model.posted + 1):
        response = await feed.get(f"/api/tweets/{tweet_id}/thread?limit=100", headers=headers)
        above, below = model.thread(tweet_id)
        is_shown = model.is_visible(tweet_id)
        assert response.status_code == (200 if is_shown or below else 404), response.text
        if response.status_code == 404:
            continue
        thread = response.json()
        omitted = thread["omitted_ancestors"]
        assert omitted == max(len(above) - MAX_ANCESTORS - 1, 0)
        # Of the tweets far below, only those of the root are listed.
        near = [
            each
            for each in below
            if tweet_id in (*model.places[each].ancestors, model.places[each].root_id)
        ]
        expected = [*above[:1], *above[1 + omitted :], tweet_id, *near]
        listed = [*thread["ancestors"], thread["tweet"], *thread["replies"]]
        assert [each["id"] for each in listed] == expected
        for each in listed:
            author = model.tweets.get(each["id"], (None,))[0]
            if author is None:
                assert each["tombstone"] == "deleted"
            elif not model.is_visible(each["id"]):
                assert each["tombstone"] == "hidden"
                assert (each.get("hidden_by") == "moderator") == (each["id"] in model.moderated)
            else:
                assert _part(each) == model.tweet(reader, each["id"])


@pytest.mark.property
@settings(
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(model=feed_models() | feed_models(THREAD_STEPS, min_steps=15), data=st.data())
async def test_rebuild_handlers_lead_to_the_same_tables_as_handlers(
    database: Database, model: FeedModel, data: st.DataObject
) -> None:
    await empty(database)
    for recorded in model.events:
        await deliver_one(database, recorded)
    await erase(database, model)
    one_by_one = await _tables(database)
    shuffled = [
        StoredEvent(
            EventId(recorded.source, recorded.number),
            recorded.event.routing_key,
            recorded.event.model_dump_json(),
            recorded.occurred_at,
        )
        for recorded in data.draw(st.permutations(model.events))
    ]
    size = data.draw(st.integers(1, len(shuffled)))

    await empty(database)
    importer = Importer(database, subscriptions, rebuild_handlers)
    for start in range(0, len(shuffled), size):
        # The batch before is applied again, as after an interruption.
        await importer.apply(shuffled[max(start - size, 0) : start + size])
    await erase(database, model)

    assert importer.failed == {}
    assert await _tables(database) == one_by_one
