"""One service's database: its engine, its transactions, its migrations.

A transaction is opened and committed at the edge, one per request or message: nothing else commits.
"""

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from weakref import WeakSet

import asyncpg
from alembic import command, context, op
from alembic.config import Config
from fastapi import Depends, Request
from sqlalchemy import CursorResult, Executable, MetaData, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from . import discretion, failpoints, metrics
from .connections import WAIT_SECONDS, Connections
from .errors import is_dependency_unavailable
from .settings import ServiceSettings

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 10

discretion.install()


class DatabaseUnavailable(ConnectionError):
    """PostgreSQL cannot be reached, or has stopped answering."""


async def _connect(**arguments: Any) -> asyncpg.Connection:
    """Opens a connection. Raises DatabaseUnavailable, and what asyncpg raises.

    asyncpg raises the same TimeoutError for a connection and for a statement, and FileNotFoundError
    where a Unix socket is missing: only here is it known that no statement has been sent yet.
    """
    try:
        return await asyncpg.connect(**arguments)
    except OSError as error:
        raise DatabaseUnavailable(repr(error)) from error


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Has the pool give another connection for one that the server has ended meanwhile.

    The loop has heard of the end: that costs nothing, where SQLAlchemy's own ping costs three
    round trips.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


class Database:
    """The connection pool of one process. Nothing connects before the first statement."""

    def __init__(self, settings: ServiceSettings, schema: str | None = None) -> None:
        """`schema` is the service's own, named like it, unless a copy of its tables is meant."""
        self.service = settings.service
        self._schema = schema or settings.service
        self._url = settings.database_url
        self._hosts = settings.db_hosts
        self.engine = create_async_engine(
            self._url,
            poolclass=metrics.MeasuredPool,
            pool_size=settings.db_pool_size,
            max_overflow=0,
            pool_timeout=WAIT_SECONDS,
            # What people wrote stands in no log and no error report.
            hide_parameters=True,
            connect_args={**self._connect_arguments(), "async_creator_fn": _connect},
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        metrics.time_statements(self.engine.sync_engine)
        self._bare: Connections | None = None
        _all.add(self)

    def _connect_arguments(self) -> dict[str, Any]:
        return {
            "host": self._hosts,
            # A standby takes connections too. Asking which of them takes writes has a price.
            "target_session_attrs": "read-write" if len(self._hosts) > 1 else "any",
            "timeout": CONNECT_SECONDS,
            "command_timeout": STATEMENT_SECONDS,
            "server_settings": {
                "search_path": f"{self._schema},extensions",
                "application_name": f"warble-{self.service}",
            },
        }

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed on leaving, or rolled back if an error leaves it.

        `session.info["service"]` is the service's name; `session.info["events"]` lists the events
        that the work recorded, once it has committed.
        """
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            session.info.update(service=self.service, events=[])
            async with session.begin():
                yield session

    async def connection(self) -> asyncpg.Connection:
        """A bare one, outside of every pool. The caller closes it.

        Its statements are planned once, whatever they are given: that costs more than running them.
        """
        arguments = self._connect_arguments()
        arguments["server_settings"]["plan_cache_mode"] = "force_generic_plan"
        return await _connect(**self._address(), **arguments)

    def connections(self, most: int) -> Connections:
        """Bare ones, for paths where a session would cost too much. They end with this database."""
        self._bare = Connections(self.connection, most)
        return self._bare

    def pool_state(self) -> tuple[int, int, int]:
        """Connections used, idle, and how many there may be."""
        pool: Any = self.engine.pool
        used, idle, most = pool.checkedout(), pool.checkedin(), pool.size()
        if self._bare is not None:
            used += self._bare.used
            idle += self._bare.idle
            most += self._bare.most
        return used, idle, most

    def _address(self) -> dict[str, Any]:
        return {
            "port": self._url.port,
            "user": self._url.username,
            "password": self._url.password,
            "database": self._url.database,
        }

    async def check(self) -> None:
        """Raises what the database raises when it does not answer."""
        async with asyncio.timeout(CONNECT_SECONDS), self.engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def is_unavailable(self, error: Exception) -> bool:
        """Whether the error is the database's outage. Asks the database where work timed out.

        A statement times out because it is slow, or because the database has stopped answering.
        """
        if not isinstance(error, TimeoutError):
            return is_dependency_unavailable(error)
        try:
            await self.check()
        except TimeoutError:
            return True
        except Exception as unanswered:
            if not is_dependency_unavailable(unanswered):
                raise
            return True
        return False

    async def close(self) -> None:
        if self._bare is not None:
            self._bare.close()
        await self.engine.dispose()


_all: "WeakSet[Database]" = WeakSet()


def _connections(place: int) -> float:
    return float(sum(database.pool_state()[place] for database in _all))


metrics.POOL_CONNECTIONS.labels("used").set_function(lambda: _connections(0))
metrics.POOL_CONNECTIONS.labels("idle").set_function(lambda: _connections(1))
metrics.POOL_SIZE.set_function(lambda: _connections(2))


async def execute(
    session: AsyncSession, statement: Executable, parameters: Mapping[str, Any] | None = None
) -> CursorResult[Any]:
    """Runs SQL that is no query for models, within the session's transaction.

    What the session has not flushed yet is not seen.
    """
    connection = await session.connection()
    return await connection.execute(statement, parameters)


async def fetch(session: AsyncSession, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """The rows of a statement with `$1`, `$2`, …, run within the session's transaction.

    It goes past SQLAlchemy, whose cursor costs several times what the driver does, on the paths
    that every write and every event takes. What the session has not flushed yet is not seen.
    """
    driver = session.info.get("driver") or await _driver(session)
    begun = time.perf_counter()
    try:
        rows: list[asyncpg.Record] = await driver.fetch(statement, *arguments)
    except Exception as error:
        metrics.note(statement, begun, error)
        raise
    metrics.note(statement, begun)
    return rows


async def _driver(session: AsyncSession) -> asyncpg.Connection:
    pooled: Any = await (await session.connection()).get_raw_connection()
    adapted = pooled.dbapi_connection
    # SQLAlchemy begins the transaction at the first statement that goes through it.
    if adapted._transaction is None:
        await adapted._start_transaction()
    session.info["driver"] = pooled.driver_connection
    return pooled.driver_connection


@asynccontextmanager
async def request_transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """A transaction of this request's, for a route that has long work to do before or after it."""
    async with request.app.state.database.transaction() as session:
        yield session
    failpoints.reach("request.committed")
    request.state.events = session.info["events"]


async def _whole_request(request: Request) -> AsyncIterator[AsyncSession]:
    async with request_transaction(request) as session:
        yield session


# With the default scope the client would have its 201 before a commit that then fails.
Transaction = Annotated[AsyncSession, Depends(_whole_request, scope="function")]


def alembic_config(package: str, settings: ServiceSettings, schema: str | None = None) -> Config:
    """The configuration of a service's chain, from its rooms: no alembic.ini is needed.

    `package` is the service's, such as `services.feed`; `schema` as for Database.
    """
    config = Config()
    folder = Path(importlib.import_module(package).__path__[0])
    config.set_main_option("script_location", str(folder / "migrations"))
    config.attributes["settings"] = settings
    config.attributes["schema"] = schema
    config.attributes["metadata"] = importlib.import_module(f"{package}.models").metadata
    return config


def upgrade(package: str, settings: ServiceSettings, schema: str | None = None) -> None:
    """Brings the service's schema to the newest revision. Safe to run twice, and at once."""
    command.upgrade(alembic_config(package, settings, schema), "head")


def run_migrations() -> None:
    """All that a `migrations/env.py` has to call."""
    settings: ServiceSettings = context.config.attributes["settings"]
    metadata: MetaData = context.config.attributes["metadata"]

    def migrate(connection: Any) -> None:
        context.configure(
            connection=connection, target_metadata=metadata, compare_server_default=True
        )
        with context.begin_transaction():
            # Two migrations of one service at once would both create the version table.
            connection.execute(
                text("select pg_advisory_xact_lock(hashtext(:name))"),
                {"name": f"warble-migrate-{settings.service}"},
            )
            context.run_migrations()

    async def connect() -> None:
        database = Database(settings, context.config.attributes["schema"])
        try:
            connection: AsyncConnection
            async with database.engine.connect() as connection:
                await connection.run_sync(migrate)
                await connection.commit()
        finally:
            await database.close()

    asyncio.run(connect())


def run_script(script: str) -> None:
    """Runs several SQL statements, within the migration's transaction."""
    adapted: Any = op.get_bind().connection.dbapi_connection
    adapted.run_async(lambda connection: connection.execute(script))
