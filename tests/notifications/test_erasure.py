"""Nothing of an erased person stays but the tombstones."""

from datetime import UTC, datetime

import pytest

from chassis.database.session import Database, fetch
from services.notifications import positions
from services.notifications.privacy import eraser

from .histories import Model
from .test_handlers import begin, deliver, rows

ANN, BORIS, ERASED = 1, 2, 77_000_001

_COLUMNS = """
select table_name, column_name from information_schema.columns
where table_schema = 'notifications' and data_type = 'bigint'
    and table_name not in ('inbox', 'erasure') and (table_name, column_name) <> ('person', 'id')
"""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.notifications.privacy.BATCH", 2)


async def mentions_of(database: Database, user_id: int) -> set[tuple[str, str]]:
    """The columns that hold the person's id."""
    return {
        (table, column)
        for table, column in await rows(database, _COLUMNS)
        if await rows(database, f'select 1 from "{table}" where "{column}" = $1', user_id)
    }


async def test_an_erasure_deletes_the_person_from_every_table(database: Database) -> None:
    model = Model(
        begins_at=datetime.now(UTC),
        thread_followers={1: {ERASED}},
        watchers={BORIS: {ERASED}, ERASED: {ANN, BORIS}},
    )
    model.register(ERASED, "Erased")
    for author in (ANN, ERASED, BORIS):
        tweet_id = model.post(author, mentioned=[ERASED])
        for user_id in (ANN, BORIS, ERASED):
            model.toggle_like(tweet_id, user_id)
            model.post(user_id, reply_to=tweet_id)
    model.delete(2)
    for other in (ANN, BORIS):
        model.toggle_follow(other, ERASED)
        model.toggle_follow(ERASED, other)
    model.toggle_tag(ERASED)
    model.create_key(ERASED)
    await begin(database, model)
    await deliver(database, model.events)
    async with database.transaction() as session:
        await fetch(session, "insert into seen values ($1, 3)", ERASED)
        await fetch(session, "insert into preference values ($1, 'like', 'off', 'all')", ERASED)
        await positions.append_unread_notice(session, ERASED)
    before = await mentions_of(database, ERASED)

    model.erase(ERASED)
    model.toggle_like(1, ERASED)
    await deliver(database, model.events[-2:])
    await eraser.sweep_all(database)

    assert {table for table, _ in before} == {
        *("follow", "tag_follow", "tweet", "notification", "notification_group"),
        *("seen", "preference", "thread_preference", "watch", "notice"),
    }
    assert await mentions_of(database, ERASED) == set()
    assert await rows(database, "select name, hidden from person") == [("", True)]
    # Others lose their notifications of the person, and nothing else.
    assert set(
        await rows(database, "select recipient_id, kind, subject_id, size from notification_group")
    ) == {
        (ANN, "like", 1, 1),
        (ANN, "reply", 1, 1),
        (BORIS, "like", _third_tweet(model), 1),
        (BORIS, "reply", _third_tweet(model), 1),
    }


def _third_tweet(model: Model) -> int:
    """The one that Boris wrote of his own accord."""
    return next(
        tweet_id
        for tweet_id, tweet in model.tweets.items()
        if tweet.author == BORIS and tweet.parent is None
    )
