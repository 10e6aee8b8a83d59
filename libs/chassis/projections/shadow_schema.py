"""A second copy of a projection's tables, in a schema beside the one that serves.

The service's own migrations create the copy's tables. A rebuild fills them while the serving ones
are read and written as always, and finally moves them into the serving schema within one
transaction. The copy's triggers are disabled until then, because they would notify readers of
changes that nobody can see.
"""

import hashlib
import importlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import asyncpg

from chassis.messaging.events import EventId

LOCK_TIMEOUT_SECONDS = 2
COMPARE_TIMEOUT_SECONDS = 4
MAINTENANCE_TIMEOUT_SECONDS = 3600
"""For statements that read whole tables while nothing waits for them."""
MAX_LISTED_EVENTS = 10_000

_TABLES = """
select relname from pg_class where relnamespace = to_regnamespace($1) and relkind in ('r', 'p')
order by relname
"""
_ROUTINES = """
select oid::regprocedure::text as signature from pg_proc
where pronamespace = to_regnamespace($1)
"""
_EVENTS_ONLY_IN = """
select source, id from {schema}.inbox as present
where ($1::timestamptz is null or handled_at > $1)
  and not exists (
    select from {other_schema}.inbox as other
    where other.source = present.source and other.id = present.id
  )
limit $2
"""
# A sum of the rows' hashes does not depend on their order, so nothing is sorted while the worker
# waits. Only tables whose sums differ are compared row by row.
_CHECKSUM = "select count(*), sum({hash}) from {table} as row_of"
_HASH = "hash_record_extended(row_of, 0)"
_HASH_OF_TEXT = "hashtextextended(row_of::text, 0)"
"""Slower; for tables with a column of a type that PostgreSQL cannot hash."""
_HAS_UNHASHABLE_COLUMN = """
select exists (
    select from pg_attribute
    where attrelid = $1::regclass and attnum > 0 and atttypid = 'tsvector'::regtype
)
"""
_COUNT_DIFFERENT_ROWS = """
select count(*) from (
    (table {one} except all table {other}) union all (table {other} except all table {one})
) as different
"""
_COPY_ROWS = """
truncate {copy}.{table};
insert into {copy}.{table} select * from {serving}.{table};
"""
_NOT_COMPARED = frozenset(("alembic_version", "erasure", "inbox"))
"""Tables that may differ between two correct copies: the inbox says when an event was handled, for
example."""


@dataclass(frozen=True)
class CarryOver:
    """What a rebuild takes from the serving projection, because no event can restore it.

    A service declares it as `carry_over` in `rebuild_handlers`.
    """

    kept_tables: Collection[str] = ()
    """Tables that the rebuild leaves as they are. The handlers may read them."""
    statements: Sequence[str] = ()
    """Executed in this order after the kept tables are copied, maybe several times; {serving} and
    {copy} are the schemas. They also derive what triggers keep otherwise."""


class ShadowSchemaMissing(Exception):
    """The database has no schema for the copy. The message is the schema's name."""


class RebuildInProgress(Exception):
    """Another process holds the lock of the copy. The message is the schema's name."""


def shadow_schema_name(service: str) -> str:
    return f"{service}_fresh"


class ShadowSchema:
    """`connection` is one of the service's role, without an open transaction, for this object
    alone."""

    def __init__(self, connection: asyncpg.Connection, service: str) -> None:
        self._connection = connection
        self._serving_schema = service
        self.schema = shadow_schema_name(service)

    async def lock(self) -> None:
        """Locks the copy until the connection ends, so that one rebuild runs at a time.

        Raises ShadowSchemaMissing and RebuildInProgress.
        """
        await self._connection.execute("set statement_timeout = 0")
        if await self._connection.fetchval("select to_regnamespace($1)", self.schema) is None:
            raise ShadowSchemaMissing(self.schema)
        try_lock = "select pg_try_advisory_lock(hashtext($1))"
        if not await self._connection.fetchval(try_lock, f"warble-{self.schema}"):
            raise RebuildInProgress(self.schema)

    async def is_begun(self, package: str) -> bool:
        """Whether the copy exists and the same version of the service's code created it."""
        digest = await self._connection.fetchval(
            "select obj_description(to_regnamespace($1), 'pg_namespace')", self.schema
        )
        return bool(digest == _code_digest(package))

    async def clear(self) -> None:
        """Drops the copy's tables and functions."""
        async with self._connection.transaction():
            await self._drop(self.schema)

    async def now(self) -> datetime:
        """The database's clock."""
        moment: datetime = await self._connection.fetchval("select clock_timestamp()")
        return moment

    async def mark_begun(self, package: str) -> None:
        """Disables the triggers and stores the digest of the code, once the tables are created."""
        async with self._connection.transaction():
            for table in await self._tables(self.schema):
                await self._connection.execute(f"alter table {table} disable trigger user")
            await self._connection.execute(
                f"comment on schema {self.schema} is '{_code_digest(package)}'"
            )

    async def missing_events(self, since: datetime | None = None) -> set[EventId]:
        """Events that the serving projection has handled and the copy has not: MAX_LISTED_EVENTS at
        most. With `since`, only those handled after that time."""
        return await self._events_only_in(self._serving_schema, self.schema, since)

    async def extra_events(self) -> set[EventId]:
        """Events that the copy has handled and the serving projection has not: MAX_LISTED_EVENTS at
        most."""
        return await self._events_only_in(self.schema, self._serving_schema, None)

    async def _events_only_in(
        self, schema: str, other_schema: str, since: datetime | None
    ) -> set[EventId]:
        statement = _EVENTS_ONLY_IN.format(schema=schema, other_schema=other_schema)
        rows = await self._connection.fetch(
            statement, since, MAX_LISTED_EVENTS, timeout=MAINTENANCE_TIMEOUT_SECONDS
        )
        return {EventId(row["source"], row["id"]) for row in rows}

    async def vacuum(self) -> None:
        """Collects the planner's statistics and the visibility map, which index-only scans need.
        Autovacuum would take a while to reach tables that were filled just now."""
        for table in await self._tables(self.schema):
            await self._connection.execute(
                f"vacuum (analyze) {table}", timeout=MAINTENANCE_TIMEOUT_SECONDS
            )

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """A transaction during which the service's worker cannot handle events; reads go on.

        It locks the inbox, into which every handler's transaction writes first. Raises
        asyncpg.LockNotAvailableError.
        """
        async with self._connection.transaction():
            await self._connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
            await self._connection.execute(
                f"lock table {self._serving_schema}.inbox in share row exclusive mode"
            )
            yield

    async def lock_tables(self, tables: Collection[str]) -> None:
        """Keeps other transactions from writing to these serving tables. Call it within
        `exclusive`. Raises asyncpg.LockNotAvailableError."""
        for table in tables:
            await self._connection.execute(
                f"lock table {self._serving_schema}.{table} in share row exclusive mode"
            )

    async def carry_over(self, carry_over: CarryOver, *, timeout_seconds: float) -> None:
        """Takes rows from the serving projection into the copy.

        Can be repeated: the last time is within `exclusive`, when most is done already. Until then
        the tables change meanwhile, so all are read as of one moment.
        """
        isolation = None if self._connection.is_in_transaction() else "repeatable_read"
        async with self._connection.transaction(isolation=isolation):
            for table in carry_over.kept_tables:
                statement = _COPY_ROWS.format(
                    table=table, serving=self._serving_schema, copy=self.schema
                )
                await self._connection.execute(statement, timeout=timeout_seconds)
            for statement in carry_over.statements:
                await self._connection.execute(
                    statement.format(serving=self._serving_schema, copy=self.schema),
                    timeout=timeout_seconds,
                )

    async def differences(self, kept_tables: Collection[str] = ()) -> dict[str, int] | None:
        """By table, how many rows are in only one of the two copies; tables without differences are
        left out. None if the comparison takes too long. Call it within `exclusive`."""
        differences: dict[str, int] = {}
        try:
            # A savepoint, so that a statement timeout leaves the outer transaction usable.
            async with self._connection.transaction():
                await self._connection.execute(
                    f"set local statement_timeout = '{COMPARE_TIMEOUT_SECONDS}s'"
                )
                for table in await self._table_names(self.schema):
                    if table in _NOT_COMPARED or table in kept_tables:
                        continue
                    one, other = f'{self._serving_schema}."{table}"', f'{self.schema}."{table}"'
                    if await self._checksum(one) != await self._checksum(other):
                        statement = _COUNT_DIFFERENT_ROWS.format(one=one, other=other)
                        differences[table] = await self._connection.fetchval(statement)
        except asyncpg.QueryCanceledError:
            return None
        return differences

    async def _checksum(self, table: str) -> asyncpg.Record:
        has_unhashable = await self._connection.fetchval(_HAS_UNHASHABLE_COLUMN, table)
        hashed = _HASH_OF_TEXT if has_unhashable else _HASH
        return await self._connection.fetchrow(_CHECKSUM.format(table=table, hash=hashed))

    async def swap(self) -> None:
        """Drops the serving tables and moves the copy's into their place. Call it within
        `exclusive`, whose commit makes the copy serve.

        Raises asyncpg.LockNotAvailableError if reads hold the tables for too long.
        """
        tables = ", ".join(await self._tables(self._serving_schema))
        await self._connection.execute(f"lock table {tables} in access exclusive mode")
        await self._drop(self._serving_schema)
        for table in await self._tables(self.schema):
            await self._connection.execute(f"alter table {table} enable trigger user")
            await self._connection.execute(f"alter table {table} set schema {self._serving_schema}")
        for routine in await self._routines(self.schema):
            await self._connection.execute(
                f"alter routine {routine} set schema {self._serving_schema}"
            )
        await self._connection.execute(f"comment on schema {self.schema} is null")
        # An empty payload tells processes that cache rows of these tables to drop the whole cache.
        await self._connection.execute(
            "select pg_notify($1, '')", f"{self._serving_schema}_changes"
        )

    async def _drop(self, schema: str) -> None:
        for table in await self._tables(schema):
            await self._connection.execute(f"drop table {table} cascade")
        for routine in await self._routines(schema):
            await self._connection.execute(f"drop routine {routine} cascade")

    async def _table_names(self, schema: str) -> Sequence[str]:
        return [row["relname"] for row in await self._connection.fetch(_TABLES, schema)]

    async def _tables(self, schema: str) -> Sequence[str]:
        """Qualified and quoted names."""
        return [f'{schema}."{name}"' for name in await self._table_names(schema)]

    async def _routines(self, schema: str) -> Sequence[str]:
        """Qualified signatures. PostgreSQL leaves the schema out if it is in the search path, which
        the serving one is and the copy's is not."""
        rows = await self._connection.fetch(_ROUTINES, schema)
        names = [str(row["signature"]) for row in rows]
        return [name if name.startswith(f"{schema}.") else f"{schema}.{name}" for name in names]


def _code_digest(package: str) -> str:
    """A hash of the service's code. A copy that other code began may hold that code's mistakes."""
    folder = Path(importlib.import_module(package).__path__[0])
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
