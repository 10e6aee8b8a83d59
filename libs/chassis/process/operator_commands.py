"""Operators' commands on one service's schema and queues.

`migrate` runs for every service before any service starts: an event reaches only the queues that
are bound at the moment in which it is published.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable

from aio_pika.abc import AbstractChannel

from chassis.database import migrations
from chassis.messaging import broker, consumer
from chassis.messaging.subscriptions import Subscriptions, load_subscriptions
from chassis.settings import ServiceSettings

Task = Callable[[AbstractChannel, Subscriptions], Awaitable[None]]


def migrate(package: str) -> None:
    """Brings the schema and the queues up to date. `package` is such as `services.feed`."""
    migrations.upgrade(package, _settings(package))
    _run_at_broker(package)


def replay(package: str) -> None:
    """Moves the service's dead letters back to their queues."""

    async def task(channel: AbstractChannel, subscriptions: Subscriptions) -> None:
        count = await consumer.replay(channel, subscriptions)
        print(f"{subscriptions.service}: moved {count} dead letters back to their queues")

    _run_at_broker(package, task)


def purge(package: str) -> None:
    """Deletes all messages in the service's queues, after its database was restored."""

    async def task(channel: AbstractChannel, subscriptions: Subscriptions) -> None:
        await broker.purge_queues(channel, subscriptions)

    _run_at_broker(package, task)


def _settings(package: str) -> ServiceSettings:
    settings: ServiceSettings = importlib.import_module(f"{package}.settings").Settings()
    return settings


def _run_at_broker(package: str, task: Task | None = None) -> None:
    """Declares the service's queues, then runs the task."""
    settings, subscriptions = _settings(package), load_subscriptions(package)

    async def run() -> None:
        connection = await broker.connect(
            settings.broker_url.get_secret_value(), f"warble-{settings.service}-migrate"
        )
        async with connection, broker.open_channel(connection, on_return_raises=True) as channel:
            legacy = await broker.legacy_queues(connection, subscriptions)
            await broker.declare_queues(channel, subscriptions, legacy)
            if task is not None:
                await task(channel, subscriptions)

    asyncio.run(run())
