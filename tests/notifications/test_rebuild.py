"""A rebuilt projection equals the one before, with everything that no event can restore."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.database.session import Database
from chassis.messaging.events import to_milliseconds
from chassis.projections.rebuild import Rebuild
from devstack.instance import Instance

from .histories import Model, RecordedEvent
from .test_handlers import begin, deliver, rows, tables

# A rebuild has one queue at the broker, whatever the database.
pytestmark = pytest.mark.exclusive

ANN, BORIS, CLARA = 1, 2, 3


def history() -> Model:
    """Clara follows the first thread and watches Boris; likes and replies of three people."""
    model = Model(
        begins_at=datetime.now(UTC).replace(microsecond=0) - timedelta(days=2),
        thread_followers={1: {CLARA}},
        watchers={BORIS: {CLARA}},
    )
    for user_id in (ANN, BORIS, CLARA):
        model.register(user_id)
    model.change_picture(BORIS, "b")
    model.toggle_follow(BORIS, ANN)
    model.post(ANN)
    model.post(ANN, reply_to=1)
    model.post(BORIS, mentioned=[ANN])
    model.post(BORIS, reply_to=1)
    for user_id in (BORIS, CLARA):
        model.toggle_like(1, user_id)
    return model


def dump_of(events: Sequence[RecordedEvent]) -> io.BytesIO:
    """The dumps of users, tweets and media, one after another."""
    lines: list[Any] = []
    for source in ("users", "tweets", "media"):
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


async def everything(database: Database) -> dict[str, set[Any]]:
    """All rows, with the order of arrival and what people have chosen and seen."""
    statements = {
        "seqs": "select family, subject_id, recipient_id, actor_id, seq from notification",
        "groups": "select * from notification_group",
        "notice": "select position, kind from notice",
        "position": "select position from position",
        "seen": "select * from seen",
        "preference": "select * from preference",
        "thread_preference": "select * from thread_preference",
        "watch": "select * from watch",
    }
    kept = {name: set(await rows(database, statement)) for name, statement in statements.items()}
    return await tables(database) | kept


@pytest.fixture
async def rebuild(
    stack: Instance, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Rebuild]:
    """Uses a broker that no other test uses: their events would reach the copy as well."""
    monkeypatch.setattr("chassis.projections.rebuild.CATCH_UP_TIMEOUT_SECONDS", 0)
    monkeypatch.setattr("chassis.projections.rebuild.SERVING_TIMEOUT_SECONDS", 0)
    await rows(database, "comment on schema notifications_fresh is null")
    yield Rebuild("services.notifications")


async def run(rebuild: Rebuild, model: Model) -> None:
    await asyncio.to_thread(rebuild.begin)
    await rebuild.finish(dump_of(model.events))


async def test_a_rebuild_keeps_what_no_event_can_restore(
    rebuild: Rebuild, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    model = history()
    await begin(database, model)
    for recorded in reversed(model.events):
        await deliver(database, [recorded])
    await rows(database, "insert into seen values (1, 2)")
    await rows(database, "insert into preference values (1, 'like', 'off', 'everyone')")
    await rows(database, "update notification_group set read_seq = newest_seq where kind = 'reply'")
    before = await everything(database)
    assert {row[1] for row in before["groups"]} >= {"thread", "watch", "reply", "like", "mention"}
    # Those who have stopped watching keep their notifications.
    await rows(database, "delete from watch")
    await rows(database, "delete from thread_preference")

    await run(rebuild, model)

    assert await everything(database) == before | {"watch": set(), "thread_preference": set()}
    assert "had the same rows" in capsys.readouterr().out
    # The triggers of the swapped tables work as before.
    await deliver(database, [_next(model)])
    assert (BORIS, "reply", 4, 1) in set(
        await rows(database, "select recipient_id, kind, subject_id, size from notification_group")
    )


def _next(model: Model) -> RecordedEvent:
    model.post(ANN, reply_to=4)
    return model.events[-1]


async def test_a_notification_that_was_lost_is_new_to_its_recipient(
    rebuild: Rebuild, database: Database
) -> None:
    model = history()
    await begin(database, model)
    await deliver(database, model.events)
    (last,) = await rows(database, "select position from position")
    await rows(database, "delete from notification where kind in ('reply', 'like')")

    await run(rebuild, model)

    assert await tables(database) == model.tables()
    new = await rows(database, "select kind, seq from notification where seq > $1", *last)
    assert sorted(kind for kind, _ in new) == ["like", "like", "reply"]
    assert await rows(database, "select position from position") == [(max(seq for _, seq in new),)]
