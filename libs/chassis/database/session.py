"""One service's database: its engine, its transactions, and statements within them.

The edge opens and commits each transaction: one per HTTP request, one per batch of messages. No
other code commits, so a command and the events that it records are stored together or not at all.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, Protocol
from weakref import WeakSet

import asyncpg
from fastapi import Depends, Request
from sqlalchemy import CursorResult, Executable, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import failpoints
from chassis.database import error_redaction, relay_wakeup
from chassis.database.pool import Pool
from chassis.database.relay_wakeup import RelayWakeup
from chassis.http.errors import is_dependency_unavailable
from chassis.observability import metrics
from chassis.settings import ServiceSettings

STATEMENT_TIMEOUT_SECONDS = 10
ROLLBACK_TIMEOUT_SECONDS = 3
MAX_UNUSED_SECONDS = 60
"""After this time the pools close a connection that nobody uses. Each one costs PostgreSQL 2 to 7
MB; opening another takes about 10 ms."""

error_redaction.install()


_FIXED_PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Parameters of PostgreSQL for bare connections, whose statements are few and use an index each.

PostgreSQL plans each of them once per connection: planning them at every execution would cost more
than running them. A plan that is made while a table is small would read the whole table, and would
stay in use while the table grows, until PostgreSQL gathers statistics again. So reading whole
tables is not considered where an index exists (docs/adr/0055)."""


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
    """Makes SQLAlchemy's pool replace a connection that the server has closed.

    asyncio has already noticed the end of the socket, so this check costs nothing. SQLAlchemy's
    `pool_pre_ping` costs three round trips.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


class AnySession(Protocol):
    """A transaction in which `fetch` runs statements: an ORM session or a `DirectSession`.

    `info["service"]` is the service's name; `info["events"]` lists the ids of recorded events that
    the response has to name, and `info["wake_relay"]` is true if an event was recorded
    or named: see `outbox`.
    """

    @property
    def info(self) -> dict[Any, Any]: ...


class DirectSession:
    """A transaction on a bare connection, without the ORM: writes and events that run a few fixed
    statements cost half as much as in an ORM session.

    With an `AutocommitDriver` instead of a connection, each statement is a transaction of its own.
    """

    def __init__(self, service: str, driver: "asyncpg.Connection | AutocommitDriver") -> None:
        self.info: dict[Any, Any] = {"service": service, "events": [], "driver": driver}


class AutocommitDriver:
    """Runs each statement on a connection of the pool, and wakes the relay after a write."""

    def __init__(self, pool: Pool, wakeup: RelayWakeup) -> None:
        self._pool = pool
        self._wakeup = wakeup

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        rows = await self._pool.fetch(statement, *arguments)
        self._wakeup.request()
        return rows

    async def fetch_read_only(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await self._pool.fetch(statement, *arguments)


class PoolState(NamedTuple):
    """Connections in use, idle connections, and the most that there may be."""

    used: int
    idle: int
    max_size: int


class Database:
    """The connection pool of one process. It connects at the first statement, not before."""

    def __init__(self, settings: ServiceSettings, schema: str | None = None) -> None:
        """`schema` is by default the service's own, which has the service's name; a rebuild gives
        the schema of its copy."""
        self.service = settings.service
        self._schema = schema or settings.service
        self._url = settings.database_url
        self._hosts = settings.db_hosts
        self._connection_timeout_seconds = settings.db_connection_timeout_seconds
        self.engine = create_async_engine(
            self._url,
            poolclass=metrics.MeasuredPool,
            pool_size=settings.db_pool_size,
            # The connection that was used last comes first, so the others stay unused.
            pool_use_lifo=True,
            max_overflow=0,
            pool_timeout=self._connection_timeout_seconds,
            # People's texts must not reach logs or error reports.
            hide_parameters=True,
            connect_args={**self._connect_arguments(), "async_creator_fn": _connect},
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        metrics.time_statements(self.engine.sync_engine)
        self._read_pool: Pool | None = None
        self._direct_pool = self._create_pool(self._connect_directly, settings.db_pool_size)
        self._relay_wakeup = RelayWakeup(self.connect, self._schema)
        self._autocommit_driver = AutocommitDriver(self._direct_pool, self._relay_wakeup)
        _databases.add(self)

    def _connect_arguments(self) -> dict[str, Any]:
        return {
            "host": self._hosts,
            # A standby accepts connections too. Asking each host whether it accepts writes costs a
            # round trip, so a single host is not asked.
            "target_session_attrs": "read-write" if len(self._hosts) > 1 else "any",
            "timeout": self._connection_timeout_seconds,
            "command_timeout": STATEMENT_TIMEOUT_SECONDS,
            "server_settings": {
                "search_path": f"{self._schema},extensions",
                "application_name": f"warble-{self.service}",
            },
        }

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """An ORM session that commits when the block ends, and rolls back if the block raises."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            session.info.update(service=self.service, events=[])
            async with session.begin():
                yield session

    @asynccontextmanager
    async def direct_transaction(self) -> AsyncIterator[DirectSession]:
        """Like `transaction`, without the ORM."""
        failure: BaseException | None = None
        async with self._direct_pool.acquire() as connection:
            session = DirectSession(self.service, connection)
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield session
            except (Exception, asyncio.CancelledError) as error:
                failure = error
                # Closing the connection instead would leave its locks to a server process that may
                # not notice for a while. The pool closes it if the server does not answer.
                async with asyncio.timeout(ROLLBACK_TIMEOUT_SECONDS):
                    await transaction.rollback()
            else:
                await transaction.commit()
                if session.info.get("wake_relay"):
                    self._relay_wakeup.request()
        if failure is not None:
            # Raised here, where the pool has the connection back, which is in order.
            raise failure

    def autocommit(self) -> DirectSession:
        """A session without a transaction: each statement commits by itself."""
        return DirectSession(self.service, self._autocommit_driver)

    async def _connect_directly(self) -> asyncpg.Connection:
        arguments = self._connect_arguments()
        arguments["server_settings"].update(_FIXED_PLANS | relay_wakeup.CONNECTION_SETTINGS)
        return await _connect(**self._address(), **arguments)

    async def connect(
        self, server_settings: Mapping[str, str] = MappingProxyType({})
    ) -> asyncpg.Connection:
        """Opens a bare connection outside of the pools, which the caller closes.

        `server_settings` are parameters of PostgreSQL, beside the usual ones.
        """
        arguments = self._connect_arguments()
        arguments["server_settings"].update(_FIXED_PLANS | dict(server_settings))
        return await _connect(**self._address(), **arguments)

    def create_pool(
        self, max_size: int, server_settings: Mapping[str, str] = MappingProxyType({})
    ) -> Pool:
        """A pool of bare connections for reads, made by `connect`; `close` closes it too. A
        database has at most one."""
        self._read_pool = self._create_pool(partial(self.connect, server_settings), max_size)
        return self._read_pool

    def _create_pool(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], max_size: int
    ) -> Pool:
        return Pool(connect, max_size, self._connection_timeout_seconds)

    def pool_state(self) -> PoolState:
        """The sums of all pools."""
        orm: Any = self.engine.pool
        pools = self._bare_pools()
        return PoolState(
            orm.checkedout() + sum(pool.used for pool in pools),
            orm.idle + sum(pool.idle for pool in pools),
            orm.size() + sum(pool.max_size for pool in pools),
        )

    def _bare_pools(self) -> list[Pool]:
        return [pool for pool in (self._direct_pool, self._read_pool) if pool is not None]

    def _address(self) -> dict[str, Any]:
        return {
            "port": self._url.port,
            "user": self._url.username,
            "password": self._url.password,
            "database": self._url.database,
        }

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a statement that is a transaction of its own and records no event: the relay
        is not woken."""
        return await self._direct_pool.fetch(statement, *arguments)

    async def close_unused_connections(self) -> None:
        """Closes them several times a minute, until it is cancelled."""
        while True:
            await asyncio.sleep(MAX_UNUSED_SECONDS / 4)
            self.close_unused(MAX_UNUSED_SECONDS)

    def close_unused(self, seconds: float) -> None:
        """Closes the pools' connections that nobody has used for so many seconds."""
        orm: Any = self.engine.pool
        for pool in (orm, *self._bare_pools()):
            pool.close_unused(seconds)

    async def check(self) -> None:
        """Raises TimeoutError, or what connecting raises, if the database does not answer."""
        async with asyncio.timeout(self._connection_timeout_seconds):
            await self.fetch("select 1")

    async def is_unavailable(self, error: Exception) -> bool:
        """Whether the database's outage caused the error.

        A statement times out because it is slow, or because the database has stopped answering. So
        after a TimeoutError this asks the database. Raises what `check` raises for other reasons.
        """
        if not isinstance(error, TimeoutError):
            return is_dependency_unavailable(error)
        try:
            await self.check()
        except TimeoutError:
            return True
        except Exception as check_error:
            if not is_dependency_unavailable(check_error):
                raise
            return True
        return False

    async def close(self) -> None:
        await self._relay_wakeup.close()
        for pool in self._bare_pools():
            pool.close()
        await self.engine.dispose()


_databases: "WeakSet[Database]" = WeakSet()
"""The process's databases, for the gauges below."""

metrics.POOL_CONNECTIONS.labels("used").set_function(
    lambda: float(sum(database.pool_state().used for database in _databases))
)
metrics.POOL_CONNECTIONS.labels("idle").set_function(
    lambda: float(sum(database.pool_state().idle for database in _databases))
)
metrics.POOL_SIZE.set_function(
    lambda: float(sum(database.pool_state().max_size for database in _databases))
)


async def execute(
    session: AsyncSession, statement: Executable, parameters: Mapping[str, Any] | None = None
) -> CursorResult[Any]:
    """Runs a statement that does not return models, within the session's transaction.

    The statement does not see changes that the session has not flushed.
    """
    connection = await session.connection()
    return await connection.execute(statement, parameters)


async def fetch_read_only(
    session: AnySession, statement: str, *arguments: object
) -> list[asyncpg.Record]:
    """Like `fetch`, for a statement that writes nothing. In an autocommit session it does not wake
    the relay."""
    driver = session.info.get("driver")
    if isinstance(driver, AutocommitDriver):
        return await driver.fetch_read_only(statement, *arguments)
    return await fetch(session, statement, *arguments)


async def fetch(session: AnySession, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """Runs a statement with `$1`, `$2`, … within the session's transaction; returns its rows.

    It bypasses SQLAlchemy, whose cursor costs several times what asyncpg costs: every write and
    every event takes this path. The statement does not see changes that the session has not
    flushed.
    """
    driver = session.info.get("driver") or await _driver_connection(session)
    if isinstance(driver, AutocommitDriver):
        rows: list[asyncpg.Record] = await driver.fetch(statement, *arguments)
        failpoints.reach("request.committed")
        return rows
    started_at = time.perf_counter()
    try:
        rows = await driver.fetch(statement, *arguments)
    except Exception as error:
        metrics.observe_statement(statement, started_at, error)
        raise
    metrics.observe_statement(statement, started_at)
    return rows


async def _driver_connection(session: AnySession) -> asyncpg.Connection:
    """asyncpg's connection under an ORM session, in a transaction."""
    assert isinstance(session, AsyncSession)
    pooled: Any = await (await session.connection()).get_raw_connection()
    adapted = pooled.dbapi_connection
    # SQLAlchemy begins the transaction at the first statement that it sends itself, so statements
    # that bypass it would run outside of one. These names are private to SQLAlchemy.
    if adapted._transaction is None:
        await adapted._start_transaction()
    session.info["driver"] = pooled.driver_connection
    return pooled.driver_connection


@asynccontextmanager
async def request_transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """A transaction within a request, for a route that works long before or after it.

    After the commit, the ids of the recorded events go to the response's headers.
    """
    async with request.app.state.database.transaction() as session:
        yield session
    _on_commit(request, session)


def _on_commit(request: Request, session: AnySession) -> None:
    failpoints.reach("request.committed")
    request.state.events = session.info["events"]


async def _transaction(request: Request) -> AsyncIterator[AsyncSession]:
    async with request_transaction(request) as session:
        yield session


async def _direct_transaction(request: Request) -> AsyncIterator[DirectSession]:
    async with request_direct_transaction(request) as session:
        yield session


@asynccontextmanager
async def request_direct_transaction(request: Request) -> AsyncIterator[DirectSession]:
    """Like `request_transaction`, without the ORM."""
    async with request.app.state.database.direct_transaction() as session:
        yield session
    _on_commit(request, session)


async def _autocommit(request: Request) -> DirectSession:
    session: DirectSession = request.app.state.database.autocommit()
    request.state.events = session.info["events"]
    return session


# With FastAPI's default scope, the client would receive its 201 before the commit, which may fail.
Transaction = Annotated[AsyncSession, Depends(_transaction, scope="function")]
"""A dependency: the transaction of the whole request, committed before the response is sent."""
DirectTransaction = Annotated[DirectSession, Depends(_direct_transaction, scope="function")]
"""Like `Transaction`, for a route whose commands need no ORM."""
Autocommit = Annotated[DirectSession, Depends(_autocommit)]
"""A dependency: a session without a transaction, for a route whose command is one statement. It
saves the round trips for BEGIN and COMMIT, which cost as much as a small statement."""
