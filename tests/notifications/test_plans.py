"""The cost of an event does not grow with the tables: no handler scans a whole table."""

from datetime import UTC, datetime

import pytest

from chassis.database.session import Database, fetch
from services.notifications.tweets import clear

from .histories import Model
from .test_handlers import begin, deliver

# A company of 5,000 people with 20,000 tweets. Each person watches another one and follows a
# thread, and likes a tweet: half of them the first one.
_COMPANY = (
    "insert into person select n, 'Person ' || n, 1 from generate_series(1000, 5999) n",
    "insert into tweet select n, 1000 + n % 5000 from generate_series(100, 20100) n",
    "insert into watch select n, n + 1 from generate_series(1000, 5999) n",
    "insert into thread_preference select n, n, 'followed' from generate_series(1000, 5999) n",
    """
    insert into notification
    select 'like', tweet.id, author_id, n, 'like', tweet.id, tweet.id, true, true, n, now()
    from generate_series(1000, 5999) n
    join tweet on tweet.id = case when n % 2 = 0 then 100 else n end
    """,
    "insert into notice (position, kind) select -n, 'counts' from generate_series(1, 5000) n",
)
TABLES = ("person", "follow", "tweet", "watch", "thread_preference", "notification", "notice")
_SCANS = """
select relname::text, seq_scan from pg_stat_user_tables
where schemaname = 'notifications' and relname = any($1)
"""
_LIKES = 5_000
# As when a tweet is liked by many soon after the statistics were taken: these know many recipients
# and one actor, and not that one recipient has most of the notifications.
_OLD_STATISTICS = (
    "insert into tweet values (100, 1100)",
    """
    insert into notification
    select 'tweet', n, n, 1, 'mention', n, n, true, true, n, now() from generate_series(1, 300) n
    """,
    "analyze notification",
    "delete from notification",
    f"""
    insert into notification
    select 'like', 100, 1100, n, 'like', 100, 100, true, true, n, now()
    from generate_series(1, {_LIKES}) n
    """,
)
_ROWS_READ = """
select idx_tup_fetch from pg_stat_user_tables
where schemaname = 'notifications' and relname = 'notification'
"""
WARM_UP = 6
"""PostgreSQL plans a statement anew five times before it keeps a plan."""


@pytest.fixture
async def company(database: Database) -> Database:
    await begin(database, Model())
    async with database.transaction() as session:
        for statement in _COMPANY:
            await fetch(session, statement)
        await fetch(session, "analyze")
    return database


async def scans(database: Database) -> dict[str, int]:
    """How often each table was read whole, by this process's only connection among others."""
    async with database.transaction() as session:
        await fetch(session, "select pg_stat_force_next_flush()")
    async with database.transaction() as session:
        rows = await fetch(session, _SCANS, TABLES)
    return {row["relname"]: row["seq_scan"] for row in rows}


async def rows_read(database: Database) -> int:
    """How many rows of `notification` were read by its indexes."""
    async with database.transaction() as session:
        await fetch(session, "select pg_stat_force_next_flush()")
    async with database.transaction() as session:
        (row,) = await fetch(session, _ROWS_READ)
    return int(row["idx_tup_fetch"])


async def test_no_handler_reads_a_whole_table(company: Database) -> None:
    model = Model(begins_at=datetime.now(UTC))
    author, reader = 1000, 1001
    for _ in range(WARM_UP):
        tweet_id = model.post(author, mentioned=[reader], tag="a")
        reply_id = model.post(reader, reply_to=tweet_id)
        model.toggle_like(tweet_id, reader)
        model.toggle_like(tweet_id, reader)
        model.toggle_follow(reader, author)
        model.delete(reply_id)
    before = await scans(company)

    for recorded in model.events:
        await deliver(company, [recorded])

    assert await scans(company) == before


async def test_a_deletion_reads_each_notification_once_whatever_the_statistics_are(
    database: Database,
) -> None:
    await begin(database, Model())
    async with database.transaction() as session:
        for statement in _OLD_STATISTICS:
            await fetch(session, statement)
    before = await rows_read(database)

    async with database.transaction() as session:
        assert await clear(session, [100]) == _LIKES

    assert await rows_read(database) - before <= 3 * _LIKES
