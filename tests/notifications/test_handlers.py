"""Handlers commute: events in any order, repeated, in batches of any size, lead to the same tables,
which are those of a model in plain Python."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.database.session import Database, fetch
from chassis.messaging import inbox
from chassis.messaging.events import EventId
from chassis.projections.event_dump import StoredEvent
from chassis.projections.importer import Importer
from services.notifications.bulk_handlers import bulk_handlers
from services.notifications.handlers import subscriptions
from services.notifications.privacy import eraser

from .histories import Model, RecordedEvent, Row, models

COLUMNS = {
    "person": "id, name, version, hidden",
    "follow": "follower_id, followed_id, active, version",
    "tag_follow": "user_id, tag, active, version",
    "tweet": "id, author_id, parent_id, root_id, like_count, reply_count, deleted",
    "notification": (
        "family, subject_id, recipient_id, actor_id, kind, group_subject_id, root_id, active,"
        " shown, version, occurred_at"
    ),
    "notification_group": "recipient_id, kind, subject_id, day, size",
    "erasure": "user_id",
    "tweet_to_clear": "tweet_id",
    "person_to_hide": "user_id",
}
"""All columns but those that depend on the order of the events."""

ANN, BORIS, CLARA = 1, 2, 3


async def rows(database: Database, statement: str, *arguments: object) -> list[Any]:
    async with database.transaction() as session:
        return [tuple(row) for row in await fetch(session, statement, *arguments)]


async def begin(database: Database, model: Model) -> None:
    """Empties all tables, and stores what people have chosen before the history begins."""
    tables = [*COLUMNS, "inbox", "notice", "watch", "thread_preference", "seen", "preference"]
    async with database.transaction() as session:
        await fetch(session, f"truncate {', '.join(tables)}")
        await fetch(session, "update position set position = 0")
        for root, followers in model.thread_followers.items():
            for user_id in followers:
                await fetch(
                    session,
                    "insert into thread_preference values ($1, $2, 'followed', false, $3)",
                    *(user_id, root, model.begins_at),
                )
        for watched, watchers in model.watchers.items():
            for user_id in watchers:
                await fetch(
                    session,
                    "insert into watch values ($1, $2, $3)",
                    *(user_id, watched, model.begins_at),
                )


async def tables(database: Database) -> dict[str, set[Row]]:
    return {
        table: set(await rows(database, f"select {columns} from {table}"))
        for table, columns in COLUMNS.items()
    }


async def deliver(database: Database, batch: Iterable[RecordedEvent]) -> None:
    """Handles a batch in one transaction, as the consumer does."""
    async with database.transaction() as session:
        for recorded in batch:
            event_id = EventId(recorded.source, recorded.number)
            if await inbox.insert_new(session, [event_id]):
                subscription = subscriptions[recorded.event.routing_key]
                event = subscription.event.model_validate_json(recorded.event.model_dump_json())
                event.received(recorded.occurred_at)
                await subscription.handler(session, event, recorded.number)


async def finish(database: Database, model: Model) -> None:
    """Runs the worker's job until nothing is left to erase, to clear or to hide."""
    for user_id in model.erased:
        assert await eraser.run_pass(database, None, user_id, grace_period=timedelta(0))
    assert eraser.clean_up is not None
    while await eraser.clean_up(database):
        continue


async def check_positions(database: Database) -> None:
    """Each shown notification has a position of its own, which its notice and its group know."""
    assert not await rows(
        database,
        """
        select * from notification
        where shown and seq = 0 or seq > (select position from position)
        """,
    )
    assert not await rows(
        database, "select seq from notification where seq > 0 group by seq having count(*) > 1"
    )
    assert not await rows(
        database,
        """
        select * from notification_group as g where newest_seq <> (
            select max(seq) from notification as n
            where shown and (n.recipient_id, n.kind, n.group_subject_id, n.day)
                = (g.recipient_id, g.kind, g.subject_id, g.day)
        )
        """,
    )
    assert not await rows(
        database,
        "select * from notice where position > (select position from position)",
    )


def batches(events: Sequence[RecordedEvent], size: int) -> Iterable[Sequence[RecordedEvent]]:
    for start in range(0, len(events), size):
        yield events[start : start + size]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes batches so small that a popular tweet of these histories has more likes than one."""
    for name in ("tweets.CLEARED_BATCH", "privacy.CLEARED_BATCH", "privacy.BATCH"):
        monkeypatch.setattr(f"services.notifications.{name}", 2)


PROPERTY = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@PROPERTY
@given(model=models(), data=st.data())
async def test_events_in_any_order_and_repeated_lead_to_the_tables_of_the_model(
    database: Database, model: Model, data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(model.events), max_size=10))
    shuffled = data.draw(st.permutations([*model.events, *repeated]))
    size = data.draw(st.integers(1, 50))

    await begin(database, model)
    for batch in batches(shuffled, size):
        await deliver(database, batch)
    await finish(database, model)

    assert await tables(database) == model.tables()
    await check_positions(database)


@PROPERTY
@given(model=models(), data=st.data())
async def test_bulk_handlers_lead_to_the_same_tables(
    database: Database, model: Model, data: st.DataObject
) -> None:
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

    await begin(database, model)
    importer = Importer(database, subscriptions, bulk_handlers)
    for start in range(0, len(shuffled), size):
        # The batch before is applied again, as after an interruption.
        await importer.apply(shuffled[max(start - size, 0) : start + size])
    await finish(database, model)

    assert importer.failed == {}
    assert await tables(database) == model.tables()
    await check_positions(database)
