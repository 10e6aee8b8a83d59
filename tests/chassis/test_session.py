"""Statements that bypass SQLAlchemy belong to the session's transaction; outages are recognised."""

import asyncio
from contextlib import AbstractAsyncContextManager

import asyncpg
import pytest
from sqlalchemy import text

from chassis.database.session import AnySession, Database, execute, fetch, fetch_read_only
from chassis.http.errors import is_dependency_unavailable
from chassis.messaging.outbox import record
from services.tweets.settings import Settings
from tests.waiting import PATIENCE_SECONDS

from .conftest import ProbeEvent


async def count_events(database: Database, routing_key: str) -> int:
    async with database.transaction() as session:
        statement = "select count(*) from outbox where routing_key = $1"
        (row,) = await fetch(session, statement, routing_key)
        return int(row["count"])


@pytest.mark.parametrize("first", ["fetch", "execute"])
async def test_what_is_written_in_either_way_is_rolled_back_together(
    database: Database, probe_event: type[ProbeEvent], first: str
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            if first == "execute":
                await execute(session, text("create table scratch (number int)"))
            await record(session, probe_event(number=1))
            if first == "fetch":
                await execute(session, text("create table scratch (number int)"))
            raise ZeroDivisionError

    assert await count_events(database, probe_event.routing_key) == 0
    async with database.transaction() as session:
        assert await fetch(session, "select 1 from pg_tables where tablename = 'scratch'") == []


async def test_a_direct_transaction_is_committed_or_rolled_back_and_keeps_its_connection(
    database: Database, probe_event: type[ProbeEvent]
) -> None:
    backends = set()
    with pytest.raises(ZeroDivisionError):
        async with database.direct_transaction() as session:
            await record(session, probe_event(number=1))
            (row,) = await fetch(session, "select pg_backend_pid()")
            backends |= set(row)
            raise ZeroDivisionError
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.direct_transaction() as session:
            await record(session, probe_event(number=2))
            await fetch(session, "insert into inbox (source, id) values ('a', 1), ('a', 1)")
    assert await count_events(database, probe_event.routing_key) == 0

    async with database.direct_transaction() as session:
        await record(session, probe_event(number=3))
        backends |= set((await fetch(session, "select pg_backend_pid()"))[0])

    assert await count_events(database, probe_event.routing_key) == 1
    assert len(backends) == 1


async def test_the_pools_use_one_connection_again_and_close_those_that_nobody_uses(
    database: Database,
) -> None:
    async def backend(transaction: AbstractAsyncContextManager[AnySession]) -> int:
        async with transaction as session:
            (row,) = await fetch(session, "select pg_backend_pid() as id")
            return int(row["id"])

    for transaction in (database.transaction, database.direct_transaction):
        async with transaction() as first, transaction() as second:
            await fetch(first, "select 1")
            await fetch(second, "select 1")
        assert len({await backend(transaction()) for _ in range(3)}) == 1
    assert database.pool_state().idle == 4

    database.close_unused(seconds=3600)
    assert database.pool_state().idle == 4
    database.close_unused(seconds=0)
    assert database.pool_state().idle == 0

    for transaction in (database.transaction, database.direct_transaction):
        await backend(transaction())
    assert database.pool_state()[:2] == (0, 2)


async def test_each_statement_of_an_autocommit_session_is_committed_at_once(
    database: Database, probe_event: type[ProbeEvent]
) -> None:
    session = database.autocommit()
    await record(session, probe_event(number=1))
    with pytest.raises(asyncpg.UniqueViolationError):
        await fetch(session, "insert into inbox (source, id) values ('a', 1), ('a', 1)")

    assert await count_events(database, probe_event.routing_key) == 1
    assert len(session.info["events"]) == 1
    assert database.pool_state().used == 0


async def test_a_query_of_an_autocommit_session_wakes_no_relay(database: Database) -> None:
    notified: asyncio.Queue[int] = asyncio.Queue()
    listener = await database.connect()
    await listener.add_listener("tweets_outbox", lambda *args: notified.put_nowait(args[1]))
    try:
        await fetch_read_only(database.autocommit(), "select 1")
        await listener.execute("notify tweets_outbox")
        assert await notified.get() == listener.get_server_pid()
    finally:
        await listener.close()


async def test_a_cancelled_direct_transaction_keeps_no_lock(
    database: Database, probe_event: type[ProbeEvent]
) -> None:
    lock = "select pg_advisory_xact_lock(1)"
    async with database.transaction() as holder:
        await fetch(holder, lock)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), database.direct_transaction() as session:
                await record(session, probe_event(number=1))
                await fetch(session, "select pg_advisory_xact_lock(2)")
                await fetch(session, lock)

        async with asyncio.timeout(PATIENCE_SECONDS), database.direct_transaction() as session:
            await fetch(session, "select pg_advisory_xact_lock(2)")
    assert await count_events(database, probe_event.routing_key) == 0


@pytest.mark.parametrize("kind", ["transaction", "direct_transaction"])
async def test_a_connection_that_is_cut_is_an_outage_and_the_next_one_works(
    database: Database, probe_event: type[ProbeEvent], kind: str
) -> None:
    with pytest.raises(Exception) as cut:
        async with getattr(database, kind)() as session:
            await record(session, probe_event(number=1))
            await fetch(session, "select pg_terminate_backend(pg_backend_pid())")

    assert is_dependency_unavailable(cut.value)
    assert await count_events(database, probe_event.routing_key) == 0


async def test_a_deadlock_counts_as_unavailable_so_that_the_client_tries_again(
    database: Database,
) -> None:
    both_hold = asyncio.Barrier(2)

    async def hold(first: int, second: int) -> None:
        async with database.transaction() as session:
            await fetch(session, "select pg_advisory_xact_lock($1)", first)
            await both_hold.wait()
            await fetch(session, "select pg_advisory_xact_lock($1)", second)

    outcomes = await asyncio.gather(hold(1, 2), hold(2, 1), return_exceptions=True)

    (error,) = [each for each in outcomes if each is not None]
    assert isinstance(error, Exception)
    assert is_dependency_unavailable(error)


async def test_of_several_hosts_one_that_answers_is_used(database: Database) -> None:
    settings = Settings()
    several = Database(Settings(db_host=f"127.0.0.9, {settings.db_host}"))
    try:
        async with several.transaction() as session:
            assert (await execute(session, text("select 1"))).scalar_one() == 1
        connection = await several.connect()
        assert await connection.fetchval("show transaction_read_only") == "off"
        await connection.close()
    finally:
        await several.close()
