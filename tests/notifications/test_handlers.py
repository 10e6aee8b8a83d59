"""Handlers commute: events in any order, repeated, in batches of any size, lead to the same tables,
which are those of a model in plain Python."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.database.session import Database, fetch
from chassis.messaging import inbox
from chassis.messaging.events import EventId
from chassis.projections.event_dump import StoredEvent
from chassis.projections.importer import Importer
from services.notifications.events import TweetLiked, UserErased
from services.notifications.handlers import subscriptions
from services.notifications.jobs import delete_notices
from services.notifications.privacy import eraser
from services.notifications.rebuild_handlers import rebuild_handlers
from tests.examples import examples

from .histories import LONG_AGO, Model, RecordedEvent, Row, models

COLUMNS = {
    "person": "id, name, version, hidden, hidden_version, registered_at, picture, picture_version",
    "follow": "follower_id, followed_id, active, version",
    "tag_follow": "user_id, tag, active, version",
    "tweet": (
        "id, author_id, parent_id, root_id, like_count, reply_count, deleted, hidden_reason,"
        " hidden_version"
    ),
    "announcement": "tweet_id, author_id, version, occurred_at",
    "notification": (
        "family, subject_id, recipient_id, actor_id, kind, group_subject_id, root_id, active,"
        " shown, version, occurred_at"
    ),
    "notification_group": "recipient_id, kind, subject_id, day, size",
    "erasure": "user_id",
    "tweet_to_clear": "tweet_id",
    "person_to_hide": "user_id",
    "person_to_show": "user_id",
}
"""All columns but those that depend on the order of the events."""

ANN, BORIS, CLARA = 1, 2, 3
MINUTE = timedelta(minutes=1)


async def rows(database: Database, statement: str, *arguments: object) -> list[Any]:
    async with database.transaction() as session:
        return [tuple(row) for row in await fetch(session, statement, *arguments)]


async def begin(database: Database, model: Model) -> None:
    """Empties all tables, and stores what people have chosen before the history begins."""
    tables = [*COLUMNS, "inbox", "notice", "watch", "thread_preference", "seen", "preference"]
    async with database.transaction() as session:
        for table in tables:
            await fetch(session, f"delete from {table}")
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
    async with database.transaction() as session:
        return {
            table: {tuple(row) for row in await fetch(session, f"select {columns} from {table}")}
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


async def clean_up(database: Database) -> None:
    """Runs the worker's job, but for the erasures, until nothing is left to clear or to hide."""
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


def as_stored(recorded: RecordedEvent) -> StoredEvent:
    return StoredEvent(
        EventId(recorded.source, recorded.number),
        recorded.event.routing_key,
        recorded.event.model_dump_json(),
        recorded.occurred_at,
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
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.property
@PROPERTY
@given(model=models() | models(min_steps=15), data=st.data())
async def test_events_in_any_order_and_repeated_lead_to_the_tables_of_the_model(
    database: Database, model: Model, data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(model.events), max_size=10))
    shuffled = data.draw(st.permutations([*model.events, *repeated]))
    size = data.draw(st.integers(1, 50))
    sweeps_meanwhile = data.draw(st.booleans())

    await begin(database, model)
    for batch in batches(shuffled, size):
        await deliver(database, batch)
        if sweeps_meanwhile:
            await eraser.sweep_all(database)
    await eraser.sweep_all(database)

    assert await tables(database) == model.tables()
    await check_positions(database)


@pytest.mark.property
@PROPERTY
@given(model=models() | models(min_steps=15), data=st.data())
async def test_nothing_of_an_erased_person_is_stored_by_late_events(
    database: Database, model: Model, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(model.events))
    erasures = [each for each in shuffled if isinstance(each.event, UserErased)]

    await begin(database, model)
    await deliver(database, erasures)
    await eraser.sweep_all(database)
    await deliver(database, shuffled)
    await clean_up(database)

    assert await tables(database) == model.tables()


@pytest.mark.property
@PROPERTY
@given(model=models() | models(min_steps=15), data=st.data())
async def test_rebuild_handlers_lead_to_the_same_tables(
    database: Database, model: Model, data: st.DataObject
) -> None:
    shuffled = [as_stored(recorded) for recorded in data.draw(st.permutations(model.events))]
    size = data.draw(st.integers(1, len(shuffled)))

    await begin(database, model)
    importer = Importer(database, subscriptions, rebuild_handlers)
    for start in range(0, len(shuffled), size):
        # The batch before is applied again, as after an interruption.
        await importer.apply(shuffled[max(start - size, 0) : start + size])
    await eraser.sweep_all(database)

    assert importer.failed == {}
    assert await tables(database) == model.tables()
    await check_positions(database)


async def test_a_like_that_is_taken_back_and_given_again_is_told_once(database: Database) -> None:
    model = Model(begins_at=datetime.now(UTC))
    model.post(ANN)
    for _ in range(3):
        model.toggle_like(1, BORIS)

    for events in permutations(model.events):
        await begin(database, model)
        await deliver(database, events)

        stored = await tables(database)
        assert stored == model.tables()
        assert stored["notification_group"] == {(ANN, "like", 1, day(model, 4), 1)}
        await check_positions(database)
        notices = await rows(
            database, "select recipient_id, group_kind from notice where kind = 'notification'"
        )
        assert notices == [(ANN, "like")]


async def test_replies_and_likes_wait_for_the_author_of_their_tweet(database: Database) -> None:
    model = Model(begins_at=datetime.now(UTC), thread_followers={1: {ANN, CLARA}})
    model.post(ANN)
    model.post(BORIS, reply_to=1)
    model.post(ANN, reply_to=2, mentioned=[BORIS])
    model.toggle_like(1, CLARA)
    model.toggle_like(1, ANN)

    for events in permutations(model.events):
        await begin(database, model)
        await deliver(database, events)

        assert await tables(database) == model.tables()
        await check_positions(database)
    kinds = await rows(database, "select recipient_id, kind from notification_group")
    assert set(kinds) == {(ANN, "like"), (ANN, "reply"), (BORIS, "mention"), (CLARA, "thread")}


async def test_the_author_of_a_deleted_tweet_is_told_of_a_reply_that_arrives_late(
    database: Database,
) -> None:
    model = Model(begins_at=datetime.now(UTC))
    model.post(ANN)
    model.toggle_like(1, CLARA)
    model.post(BORIS, reply_to=1)
    model.delete(1)

    for events in permutations(model.events):
        await begin(database, model)
        await deliver(database, events)
        await eraser.sweep_all(database)

        assert await tables(database) == model.tables()
        await check_positions(database)
    groups = await rows(database, "select recipient_id, kind, size from notification_group")
    assert groups == [(ANN, "reply", 1)]


async def test_what_a_deactivated_person_did_is_shown_no_more(database: Database) -> None:
    model = Model(begins_at=datetime.now(UTC))
    model.register(BORIS)
    for _ in range(5):
        model.toggle_like(model.post(ANN), BORIS)
    await begin(database, model)
    await deliver(database, model.events)
    shown = await rows(database, "select count(*) from notification_group")
    model.deactivate(BORIS)
    model.toggle_like(model.post(ANN), BORIS)

    await deliver(database, model.events[-3:])
    await eraser.sweep_all(database)

    assert shown == [(5,)]
    assert await tables(database) == model.tables()
    assert await rows(database, "select * from notification_group") == []
    assert await rows(database, "select like_count from tweet") == [(1,)] * 6


async def test_what_a_person_did_is_shown_again_when_they_come_back(database: Database) -> None:
    model = Model(begins_at=datetime.now(UTC))
    model.register(BORIS)
    for _ in range(5):
        model.toggle_like(model.post(ANN), BORIS)
    model.deactivate(BORIS)
    await begin(database, model)
    # The deactivation overtakes the last like, which is shown to nobody until Boris is back.
    await deliver(database, [*model.events[:-2], model.events[-1], model.events[-2]])
    await clean_up(database)
    hidden = await rows(database, "select count(*) from notification_group")
    model.reactivate(BORIS)

    await deliver(database, model.events[-1:])
    await clean_up(database)

    assert hidden == [(0,)]
    assert await tables(database) == model.tables()
    await check_positions(database)
    assert await rows(database, "select count(*), sum(size) from notification_group") == [(5, 5)]
    notified = "select count(*) from notice where kind = 'notification' and recipient_id = $1"
    assert await rows(database, notified, ANN) == [(5,)]


async def test_ten_thousand_likes_of_a_tweet_are_one_group(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    begins_at = datetime.now(UTC)
    model = Model(begins_at=begins_at)
    model.post(ANN)
    await begin(database, model)
    await deliver(database, model.events)
    likes = [
        RecordedEvent("tweets", number, TweetLiked(tweet_id=1, user_id=number), begins_at)
        for number in range(10, 10_010)
    ]

    importer = Importer(database, subscriptions, rebuild_handlers)
    for batch in batches(likes, 500):
        await importer.apply([as_stored(each) for each in batch])

    groups = await rows(
        database, "select kind, subject_id, size, newest_seq from notification_group"
    )
    (position,) = await rows(database, "select max(seq) from notification")
    assert groups == [("like", 1, 10_000, *position)]
    assert await rows(database, "select like_count from tweet") == [(10_000,)]

    model.delete(1)
    await deliver(database, [RecordedEvent("tweets", 10_010, model.events[-1].event, begins_at)])
    await eraser.sweep_all(database)

    assert await rows(database, "select * from notification") == []
    assert await rows(database, "select * from notification_group") == []


async def test_what_was_a_week_old_when_it_arrived_is_read_from_the_beginning(
    database: Database,
) -> None:
    model = Model(begins_at=LONG_AGO)
    model.post(ANN)
    model.post(BORIS, reply_to=1)

    await begin(database, model)
    await deliver(database, model.events)

    groups = await rows(database, "select kind, read_seq = newest_seq from notification_group")
    assert groups == [("reply", True)]
    assert await rows(database, "select * from notice") == []


async def test_notices_tell_of_each_change_once(database: Database) -> None:
    model = Model(begins_at=datetime.now(UTC))
    await begin(database, model)
    model.post(ANN, tag="a")
    model.post(BORIS, reply_to=1)
    model.toggle_like(1, BORIS)
    model.toggle_like(1, BORIS)
    model.delete(2)

    for recorded in model.events:
        await deliver(database, [recorded])

    assert await rows(
        database,
        """
        select position, kind, tweet_id, author_id, root_id, parent_id, tags, event, recipient_id,
            group_kind, group_subject_id
        from notice order by position
        """,
    ) == [
        (1, "tweet", 1, ANN, None, None, ["a"], "tweets:1", None, None, None),
        (2, "notification", None, None, None, None, None, None, ANN, "reply", 1),
        (3, "tweet", 2, BORIS, 1, 1, None, "tweets:2", None, None, None),
        (4, "counts", 1, None, None, None, None, None, None, None, None),
        (5, "notification", None, None, None, None, None, None, ANN, "like", 1),
        (6, "counts", 1, None, None, None, None, None, None, None, None),
        (7, "seen", None, None, None, None, None, None, ANN, None, None),
        (8, "counts", 1, None, None, None, None, None, None, None, None),
        (9, "deleted", 2, BORIS, 1, None, None, "tweets:5", None, None, None),
        (10, "counts", 1, None, None, None, None, None, None, None, None),
        (11, "seen", None, None, None, None, None, None, ANN, None, None),
    ]


async def test_old_notices_are_deleted(database: Database) -> None:
    model = Model(begins_at=datetime.now(UTC))
    await begin(database, model)
    model.post(ANN)
    model.post(BORIS)
    await deliver(database, model.events)
    await rows(
        database,
        "update notice set created_at = now() - interval '2 hours' where position = 1 returning 1",
    )

    assert await delete_notices(database, timedelta(hours=1)) == 1

    assert await rows(database, "select position from notice") == [(2,)]


def day(model: Model, number: int) -> date:
    return model.events[number - 1].occurred_at.date()


async def test_only_those_who_had_chosen_a_thread_or_a_person_are_told(
    database: Database,
) -> None:
    model = Model(
        begins_at=datetime.now(UTC), thread_followers={1: {CLARA}}, watchers={ANN: {BORIS}}
    )
    model.post(ANN)
    model.post(ANN, reply_to=1)
    await begin(database, model)
    async with database.transaction() as session:
        for table in ("watch", "thread_preference"):
            await fetch(
                session, f"update {table} set since = $1", model.events[0].occurred_at + MINUTE
            )

    await deliver(database, model.events)

    assert set(await rows(database, "select recipient_id, kind, subject_id from notification")) == {
        (CLARA, "thread", 2),
        (BORIS, "watch", 2),
    }
