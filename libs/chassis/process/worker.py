"""The worker process of a service: the relay of its outbox, the consumer of its events, its jobs.

It is a FastAPI application like the api process, so that health checks, metrics and stop signals
work in the same way.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog
from aio_pika.abc import AbstractRobustConnection
from fastapi import FastAPI

from chassis.database.session import Database
from chassis.messaging import broker, retention
from chassis.messaging.consumer import Consumer
from chassis.messaging.relay import Relay
from chassis.messaging.subscriptions import Subscriptions
from chassis.observability import metrics
from chassis.process.app import Lifespan, base_app
from chassis.process.background_loops import run_forever
from chassis.process.health import Check
from chassis.settings import ProducerSettings, ServiceSettings
from chassis.task_cancellation import cancel_tasks

STOP_TIMEOUT_SECONDS = 3

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

    Sets `app.state.database`, `app.state.broker` and `app.state.settings`. `lifespan` opens and
    closes the service's own resources: it is entered before the first event is consumed, and left
    after the last one is settled. `publishes` is False for a service without an outbox.
    """
    database = Database(settings)
    if isinstance(settings, ProducerSettings) and settings.event_retention_days is not None:
        jobs = [*jobs, retention.prune]
    url = settings.broker_url.get_secret_value()
    connection: AbstractRobustConnection | None = None

    async def check_broker() -> None:
        broker.check_connected(connection)

    @contextlib.asynccontextmanager
    async def worker_lifespan(app: FastAPI) -> AsyncIterator[None]:
        # The stack stops everything in reverse order: first the consumer, then the relay, the jobs,
        # the service's own resources, and the connections last.
        nonlocal connection
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            connection = await broker.connect(url, f"warble-{settings.service}-worker")
            stack.push_async_callback(_stop_in_time, connection.close)
            app.state.broker = connection
            if lifespan is not None:
                await stack.enter_async_context(lifespan(app))
            job_tasks = [
                asyncio.create_task(_run_job(job, app))
                for job in (_measure_lock_waits, _close_unused_connections, *jobs)
            ]
            stack.push_async_callback(cancel_tasks, *job_tasks)
            if publishes:
                assert isinstance(settings, ProducerSettings)
                relay = Relay(
                    database,
                    partial(broker.connect_once, url, f"warble-{settings.service}-relay"),
                    events_per_message=settings.events_per_message,
                )
                measuring = asyncio.create_task(run_forever("relay.measure", relay.measure_outbox))
                stack.push_async_callback(cancel_tasks, measuring)
                publishing = asyncio.create_task(relay.run())
                stack.push_async_callback(_wait_then_cancel, publishing)
                stack.callback(relay.stop)
            if subscriptions is not None:
                consumer = Consumer(database, connection, subscriptions)
                await consumer.start()
                declaring = asyncio.create_task(
                    run_forever(
                        "broker.declare",
                        partial(
                            broker.keep_queues_declared,
                            connection,
                            subscriptions,
                            consumer.reconnect_if_stalled,
                        ),
                    )
                )
                stack.push_async_callback(cancel_tasks, declaring)
                stack.push_async_callback(_stop_in_time, consumer.stop)
            yield

    app = base_app(
        settings,
        "worker",
        worker_lifespan,
        {"database": database.check, "broker": check_broker, **(checks or {})},
        ["database", "broker"],
    )
    app.state.database = database
    return app


async def _measure_lock_waits(app: FastAPI) -> None:
    database: Database = app.state.database
    while True:
        (row,) = await database.fetch(metrics.COUNT_LOCK_WAITS)
        metrics.WAITING_LOCKS.set(row["count"])
        await asyncio.sleep(metrics.LOCK_WAITS_INTERVAL_SECONDS)


async def _close_unused_connections(app: FastAPI) -> None:
    await app.state.database.close_unused_connections()


async def _run_job(job: Job, app: FastAPI) -> None:
    await run_forever(getattr(job, "__name__", repr(job)), partial(job, app))


async def _wait_then_cancel(task: asyncio.Task[None]) -> None:
    """Gives a task that was asked to stop the time to do so; the broker may keep it waiting."""
    await asyncio.wait([task], timeout=STOP_TIMEOUT_SECONDS)
    await cancel_tasks(task)


async def _stop_in_time(stop: Callable[[], Awaitable[object]]) -> None:
    try:
        async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
            await stop()
    except TimeoutError:
        log.warning("shutdown.step_timed_out", step=stop.__qualname__)
