"""Handlers commute: whatever the order and however often, the same tables and the same feed."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chassis import testing
from chassis.database import Database, execute
from chassis.events import EventId
from chassis.intake import Intake
from chassis.kept import Kept
from services.feed.erasing import eraser
from services.feed.handlers import subscriptions
from services.feed.history import together
from tests.row_counts import count_rows, largest

from .histories import PEOPLE, Company, Told, companies, delete, post, toggle_follow, toggle_like
from .histories import erase as erase_person

COLUMNS = {
    "person": "*",
    "follow": "*",
    "tweet": "*",
    "tweet_like": "*",
    "likes_to_delete": "*",
    # When something was heard or erased, and in how many steps, depends on the order.
    "inbox": "source, id",
    "erasure": "user_id",
}


async def empty(database: Database) -> None:
    async with database.transaction() as session:
        await execute(session, text(f"truncate {', '.join(COLUMNS)}"))


async def _tables(database: Database) -> dict[str, list[Any]]:
    """Everything that is stored, and is the same in whatever order it came."""
    stored: dict[str, list[Any]] = {}
    async with database.transaction() as session:
        for table, columns in COLUMNS.items():
            rows = await execute(session, text(f"select {columns} from {table} t order by t"))
            stored[table] = [tuple(row) for row in rows]
    return stored


async def deliver_one(database: Database, told: Told) -> None:
    key = told.event.routing_key
    await testing.deliver(database, subscriptions, key, told.event, told.number, source=told.source)


async def erase(database: Database, company: Company) -> None:
    """Does what the worker's job does, until nothing is left to do."""
    for user_id in company.erased:
        assert await eraser.advance(database, None, user_id, settle=timedelta(0))
    assert eraser.clean_up is not None
    while await eraser.clean_up(database):
        continue


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A popular tweet of these histories has more likes than a batch."""
    for name in ("handlers.LIKES_BATCH", "erasing.LIKES_BATCH", "erasing.BATCH"):
        monkeypatch.setattr(f"services.feed.{name}", 2)


async def test_no_statement_takes_more_likes_of_one_tweet_than_a_batch(
    database: Database,
) -> None:
    await empty(database)
    ann, boris, fans = 1, 2, range(3, 11)
    company = Company(dict.fromkeys((ann, boris, *fans), "…"))
    for author in (ann, ann, ann, boris):
        post(company, author, "…")
    for tweet_id in company.tweets:
        for fan in fans:
            toggle_like(company, tweet_id, fan)
    for fan in fans:
        toggle_follow(company, fan, ann)
    for told in company.told:
        await deliver_one(database, told)
    await count_rows(database, ("tweet", "tweet_like", "follow", "likes_to_delete"))

    delete(company, 4)
    erase_person(company, ann)
    for told in company.told[-3:]:
        await deliver_one(database, told)
    await erase(database, company)

    stored = await _tables(database)
    assert stored["tweet_like"] == stored["follow"] == stored["likes_to_delete"] == []
    assert await largest(database) == {
        "tweet": 2,
        "tweet_like": 2,
        "follow": 2,
        "likes_to_delete": 2,
    }


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(company=companies(), data=st.data())
async def test_any_order_and_repetition_ends_in_the_tables_of_the_history_in_order(
    database: Database, feed: httpx.AsyncClient, company: Company, data: st.DataObject
) -> None:
    await empty(database)
    for told in company.told:
        await deliver_one(database, told)
    await erase(database, company)
    in_order = await _tables(database)
    repeated = data.draw(st.lists(st.sampled_from(company.told), max_size=10))
    arrivals = data.draw(st.permutations([*company.told, *repeated]))

    await empty(database)
    for told in arrivals:
        await deliver_one(database, told)
    await erase(database, company)

    assert await _tables(database) == in_order
    for reader in set(range(1, PEOPLE + 1)) - company.hidden:
        answer = await feed.get("/api/tweets", headers=testing.signed("feed", reader))
        read = [
            {key: tweet[key] for key in ("id", "content", "author", "likes", "like_count", "liked")}
            for tweet in answer.json()["tweets"]
        ]
        assert read == company.feed(reader)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(company=companies(), data=st.data())
async def test_many_at_once_in_any_order_end_in_the_tables_of_one_after_another(
    database: Database, company: Company, data: st.DataObject
) -> None:
    await empty(database)
    for told in company.told:
        await deliver_one(database, told)
    await erase(database, company)
    one_by_one = await _tables(database)
    arrivals = [
        Kept(
            EventId(told.source, told.number),
            told.event.routing_key,
            told.event.model_dump_json(),
        )
        for told in data.draw(st.permutations(company.told))
    ]
    size = data.draw(st.integers(1, len(arrivals)))

    await empty(database)
    intake = Intake(database, subscriptions, together)
    for begin in range(0, len(arrivals), size):
        # The batch before comes once more: it was cut off before it was known to be done.
        await intake.take(arrivals[max(begin - size, 0) : begin + size])
    await erase(database, company)

    assert intake.failed == {}
    assert await _tables(database) == one_by_one
