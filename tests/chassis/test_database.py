"""A statement past SQLAlchemy's cursor is within the session's transaction, and ends as it does."""

import asyncio

import pytest
from sqlalchemy import text

from chassis.database import Database, execute, fetch
from chassis.errors import is_dependency_unavailable
from chassis.outbox import record
from services.tweets.settings import Settings

from .conftest import Happened


async def recorded(database: Database, routing_key: str) -> int:
    async with database.transaction() as session:
        statement = "select count(*) from outbox where routing_key = $1"
        (row,) = await fetch(session, statement, routing_key)
        return int(row["count"])


@pytest.mark.parametrize("first", ["fetch", "execute"])
async def test_what_is_written_either_way_is_rolled_back_together(
    database: Database, happened: type[Happened], first: str
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            if first == "execute":
                await execute(session, text("create table beside (number int)"))
            await record(session, happened(number=1))
            if first == "fetch":
                await execute(session, text("create table beside (number int)"))
            raise ZeroDivisionError

    assert await recorded(database, happened.routing_key) == 0
    async with database.transaction() as session:
        assert await fetch(session, "select 1 from pg_tables where tablename = 'beside'") == []


async def test_a_connection_that_is_cut_is_an_outage_and_the_next_one_works(
    database: Database, happened: type[Happened]
) -> None:
    with pytest.raises(Exception) as cut:
        async with database.transaction() as session:
            await record(session, happened(number=1))
            await fetch(session, "select pg_terminate_backend(pg_backend_pid())")

    assert is_dependency_unavailable(cut.value)
    assert await recorded(database, happened.routing_key) == 0


async def test_of_two_that_wait_for_each_other_one_is_to_come_again(database: Database) -> None:
    both_hold = asyncio.Barrier(2)

    async def hold(first: int, second: int) -> None:
        async with database.transaction() as session:
            await fetch(session, "select pg_advisory_xact_lock($1)", first)
            await both_hold.wait()
            await fetch(session, "select pg_advisory_xact_lock($1)", second)

    ended = await asyncio.gather(hold(1, 2), hold(2, 1), return_exceptions=True)

    (error,) = [each for each in ended if each is not None]
    assert isinstance(error, Exception)
    assert is_dependency_unavailable(error)


async def test_of_several_hosts_one_that_answers_is_found(database: Database) -> None:
    settings = Settings()
    several = Database(Settings(db_host=f"127.0.0.9, {settings.db_host}"))
    try:
        async with several.transaction() as session:
            assert (await execute(session, text("select 1"))).scalar_one() == 1
        listening = await several.connection()
        assert await listening.fetchval("show transaction_read_only") == "off"
        await listening.close()
    finally:
        await several.close()
