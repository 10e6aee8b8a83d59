"""A fresh copy of a projection, in a schema beside the one that serves, until it takes its place.

The tables of the copy are the service's own, made by its own migrations; its triggers are silent
until it serves.
"""

import hashlib
import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import asyncpg

from .events import EventId

LOCK_SECONDS = 2
COMPARE_SECONDS = 4
UPKEEP_SECONDS = 3600
LISTED = 10_000

_TABLES = """
select relname from pg_class where relnamespace = to_regnamespace($1) and relkind in ('r', 'p')
order by relname
"""
_ROUTINES = """
select oid::regprocedure::text as signature from pg_proc
where pronamespace = to_regnamespace($1)
"""
_LACKING = """
select source, id from {has}.inbox as has
where ($1::timestamptz is null or handled_at > $1)
  and not exists (
    select from {lacks}.inbox as lacks where lacks.source = has.source and lacks.id = has.id
  )
limit $2
"""
# Rows are not sorted for it, as for what differs: the worker waits meanwhile.
_SUM = "select count(*), sum(hash_record_extended(row_of, 0)) from {table} as row_of"
_DIFFERENT = """
select count(*) from (
    (table {one} except all table {other}) union all (table {other} except all table {one})
) as different
"""
_APART = frozenset(("alembic_version", "erasure", "inbox"))
"""What two copies of one projection need not have the same of: when an event came, for one."""


class NoPlace(Exception):
    """There is no schema for the copy."""


class Taken(Exception):
    """Another process is at work on the copy."""


def schema_of(service: str) -> str:
    return f"{service}_fresh"


class Fresh:
    """`connection` is the service's own, with no transaction open, and for this alone."""

    def __init__(self, connection: asyncpg.Connection, service: str) -> None:
        self._connection = connection
        self._serving = service
        self.schema = schema_of(service)

    async def hold(self) -> None:
        """Until the connection ends, nobody else works on the copy. Raises NoPlace and Taken."""
        await self._connection.execute("set statement_timeout = 0")
        if await self._connection.fetchval("select to_regnamespace($1)", self.schema) is None:
            raise NoPlace(self.schema)
        held = "select pg_try_advisory_lock(hashtext($1))"
        if not await self._connection.fetchval(held, f"warble-{self.schema}"):
            raise Taken(self.schema)

    async def begun(self, package: str) -> bool:
        """Whether the copy is one that this very code has begun."""
        begun_by = await self._connection.fetchval(
            "select obj_description(to_regnamespace($1), 'pg_namespace')", self.schema
        )
        return bool(begun_by == _digest(package))

    async def clear(self) -> None:
        async with self._connection.transaction():
            await self._drop(self.schema)

    async def now(self) -> datetime:
        moment: datetime = await self._connection.fetchval("select clock_timestamp()")
        return moment

    async def mark(self, package: str) -> None:
        """To be called when the tables are there: the copy has begun."""
        async with self._connection.transaction():
            for table in await self._tables(self.schema):
                await self._connection.execute(f"alter table {table} disable trigger user")
            await self._connection.execute(
                f"comment on schema {self.schema} is '{_digest(package)}'"
            )

    async def lacking(self, since: datetime | None = None) -> set[EventId]:
        """Events that the serving projection has and the copy has not: LISTED at most.

        `since` narrows it to those that came after.
        """
        return await self._in_one_alone(self._serving, self.schema, since)

    async def ahead(self) -> set[EventId]:
        """Events that the copy has and the serving projection has not: LISTED at most."""
        return await self._in_one_alone(self.schema, self._serving, None)

    async def _in_one_alone(self, has: str, lacks: str, since: datetime | None) -> set[EventId]:
        statement = _LACKING.format(has=has, lacks=lacks)
        rows = await self._connection.fetch(statement, since, LISTED, timeout=UPKEEP_SECONDS)
        return {EventId(row["source"], row["id"]) for row in rows}

    async def tidy(self) -> None:
        """What a table that was filled at one go lacks: statistics, and its map for index scans."""
        for table in await self._tables(self.schema):
            await self._connection.execute(f"vacuum (analyze) {table}", timeout=UPKEEP_SECONDS)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Within, the worker waits with what it would write; reads go on.

        Raises asyncpg.LockNotAvailableError. It ends with a commit.
        """
        async with self._connection.transaction():
            await self._connection.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
            await self._connection.execute(
                f"lock table {self._serving}.inbox in share row exclusive mode"
            )
            yield

    async def differences(self) -> dict[str, int] | None:
        """Rows by table that are in one of both alone, none without; None if it takes too long."""
        found: dict[str, int] = {}
        try:
            # A savepoint: what is cut off leaves the transaction as it was.
            async with self._connection.transaction():
                await self._connection.execute(
                    f"set local statement_timeout = '{COMPARE_SECONDS}s'"
                )
                for table in await self._names(self.schema):
                    if table in _APART:
                        continue
                    one, other = f'{self._serving}."{table}"', f'{self.schema}."{table}"'
                    if await self._sum(one) != await self._sum(other):
                        statement = _DIFFERENT.format(one=one, other=other)
                        found[table] = await self._connection.fetchval(statement)
        except asyncpg.QueryCanceledError:
            return None
        return found

    async def _sum(self, table: str) -> asyncpg.Record:
        return await self._connection.fetchrow(_SUM.format(table=table))

    async def take_over(self) -> None:
        """Within `alone`: the copy becomes what serves, once this commits.

        Raises asyncpg.LockNotAvailableError while reads hold the tables for too long.
        """
        tables = ", ".join(await self._tables(self._serving))
        await self._connection.execute(f"lock table {tables} in access exclusive mode")
        await self._drop(self._serving)
        for table in await self._tables(self.schema):
            await self._connection.execute(f"alter table {table} enable trigger user")
            await self._connection.execute(f"alter table {table} set schema {self._serving}")
        for routine in await self._routines(self.schema):
            await self._connection.execute(f"alter routine {routine} set schema {self._serving}")
        await self._connection.execute(f"comment on schema {self.schema} is null")
        # Whoever keeps something of the tables that went is told that anything may have changed.
        await self._connection.execute("select pg_notify($1, '')", f"{self._serving}_changes")

    async def _drop(self, schema: str) -> None:
        for table in await self._tables(schema):
            await self._connection.execute(f"drop table {table} cascade")
        for routine in await self._routines(schema):
            await self._connection.execute(f"drop routine {routine} cascade")

    async def _names(self, schema: str) -> Sequence[str]:
        return [row["relname"] for row in await self._connection.fetch(_TABLES, schema)]

    async def _tables(self, schema: str) -> Sequence[str]:
        return [f'{schema}."{name}"' for name in await self._names(schema)]

    async def _routines(self, schema: str) -> Sequence[str]:
        """With the schema before each, which is not in the search path where it is not serving."""
        rows = await self._connection.fetch(_ROUTINES, schema)
        names = [str(row["signature"]) for row in rows]
        return [name if name.startswith(f"{schema}.") else f"{schema}.{name}" for name in names]


def _digest(package: str) -> str:
    """Of the service's code: what other code began may hold what it did wrong."""
    folder = Path(importlib.import_module(package).__path__[0])
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        whole.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()
