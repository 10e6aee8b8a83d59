"""The worker process of a service: the relay of its outbox, the consumer of its events, its jobs.

It is an application too, so that health, metrics and stop signals work as they do in the api.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog
from aio_pika.abc import AbstractRobustConnection
from fastapi import FastAPI
from sqlalchemy import text

from . import broker, metrics, retention
from .app import Lifespan, end, frame
from .consumer import Consumer
from .database import Database
from .health import Check
from .loops import run_forever
from .relay import Relay
from .settings import ServiceSettings
from .subscriptions import Subscriptions

STOP_SECONDS = 3

Job = Callable[[FastAPI], Awaitable[None]]
"""Runs until it is cancelled, beside the relay and the consumer."""

log = structlog.get_logger()


def create(
    settings: ServiceSettings,
    subscriptions: Subscriptions | None = None,
    *,
    publishes: bool = True,
    jobs: Sequence[Job] = (),
    lifespan: Lifespan | None = None,
    checks: Mapping[str, Check] | None = None,
) -> FastAPI:
    """The worker process of a service.

    `app.state.database`, `app.state.broker` and `app.state.settings` are set; `lifespan` opens and
    closes what is the service's own, before anything is consumed and after everything is settled. A
    service without an outbox does not publish.
    """
    database = Database(settings)
    if publishes and settings.event_retention_days is not None:
        jobs = [*jobs, retention.prune]
    url = settings.broker_url.get_secret_value()
    connection: AbstractRobustConnection | None = None

    async def broker_answers() -> None:
        broker.check(connection)

    async def keep_declared(_: FastAPI) -> None:
        assert connection is not None
        assert subscriptions is not None
        await broker.keep_declared(connection, subscriptions)

    @contextlib.asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        nonlocal connection
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            connection = await broker.connect(url, f"warble-{settings.service}-worker")
            stack.push_async_callback(_in_time, connection.close)
            app.state.broker = connection
            if lifespan is not None:
                await stack.enter_async_context(lifespan(app))
            running = [asyncio.create_task(_repeat(job, app)) for job in (_watch_locks, *jobs)]
            stack.push_async_callback(end, *running)
            if publishes:
                relay = Relay(
                    database, partial(broker.connect_once, url, f"warble-{settings.service}-relay")
                )
                publishing = asyncio.create_task(relay.run())
                stack.push_async_callback(_let_end, publishing)
                stack.callback(relay.stop)
            if subscriptions is not None:
                consumer = Consumer(database, connection, subscriptions)
                await consumer.start()
                declaring = asyncio.create_task(_repeat(keep_declared, app))
                stack.push_async_callback(end, declaring)
                stack.push_async_callback(_in_time, consumer.stop)
            yield

    app = frame(
        settings,
        "worker",
        live,
        {"database": database.check, "broker": broker_answers, **(checks or {})},
        ["database", "broker"],
    )
    app.state.database = database
    return app


async def _watch_locks(app: FastAPI) -> None:
    database: Database = app.state.database
    while True:
        async with database.engine.connect() as connection:
            waiting = await connection.execute(text(metrics.COUNT_WAITING))
            metrics.WAITING_LOCKS.set(waiting.scalar_one())
        await asyncio.sleep(metrics.LOCKS_SECONDS)


async def _repeat(job: Job, app: FastAPI) -> None:
    await run_forever(getattr(job, "__name__", repr(job)), partial(job, app))


async def _let_end(task: asyncio.Task[None]) -> None:
    """Waits for a task that was told to stop; one that waits for an absent broker never would."""
    await asyncio.wait([task], timeout=STOP_SECONDS)
    await end(task)


async def _in_time(stop: Callable[[], Awaitable[object]]) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await stop()
    except TimeoutError:
        log.warning("stop.cut_short", step=stop.__qualname__)
