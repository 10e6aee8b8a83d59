"""Handlers commute: whatever the order and however often, the same tables and the same feed."""

from datetime import timedelta
from typing import Any

import httpx
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

from .histories import PEOPLE, Company, Told, companies

COLUMNS = {
    "person": "*",
    "follow": "*",
    "tweet": "*",
    "tweet_like": "*",
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
    for user_id in company.erased:
        assert await eraser.advance(database, None, user_id, settle=timedelta(0))


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
