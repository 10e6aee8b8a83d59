"""The queues of a service are what its subscriptions say, whatever somebody does at the broker."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import broker
from chassis.database import Database
from chassis.subscriptions import Subscriptions

from .conftest import Happened
from .test_consumer import consuming, message, note, publish


@pytest.mark.parametrize("loss", ["its binding", "the queue"])
async def test_what_is_deleted_at_the_broker_comes_back(
    database: Database,
    connection: AbstractRobustConnection,
    happened: type[Happened],
    effects: Callable[[], Awaitable[list[int]]],
    monkeypatch: pytest.MonkeyPatch,
    loss: str,
) -> None:
    monkeypatch.setattr("chassis.broker.DECLARE_SECONDS", 0.5)
    reactions = Subscriptions(happened.routing_key.partition(".")[0])
    first = int(happened.routing_key[5:13], 16) * 100

    @reactions.on(happened)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None:
        await note(session, event)

    async with consuming(database, connection, reactions):
        declaring = asyncio.create_task(broker.keep_declared(connection, reactions))
        (subscription,) = reactions
        async with connection.channel() as channel:
            if loss == "the queue":
                await channel.queue_delete(subscription.queue)
            else:
                exchange = await broker.events_exchange(channel)
                queue = await channel.get_queue(subscription.queue)
                await queue.unbind(exchange, happened.routing_key)
        number = first
        async with asyncio.timeout(60):
            while not await effects():
                number += 1
                with suppress(DeliveryError):
                    await publish(connection, happened.routing_key, [message(number)])
        declaring.cancel()
        await asyncio.wait([declaring])

    assert set(await effects()) <= set(range(first, number + 1))


async def test_the_queue_of_a_retired_subscription_is_deleted(
    database: Database, connection: AbstractRobustConnection, happened: type[Happened]
) -> None:
    service = happened.routing_key.partition(".")[0]
    reactions = Subscriptions(service)

    @reactions.on(happened)
    async def on_happened(session: AsyncSession, event: Happened, version: int) -> None: ...

    async with connection.channel() as channel:
        await broker.declare(channel, reactions)
        await broker.declare(channel, Subscriptions(service, retired=[happened.routing_key]))

    for queue in (f"{service}.{happened.routing_key}", f"{service}.{happened.routing_key}.dead"):
        async with connection.channel() as channel:
            with pytest.raises(ChannelNotFoundEntity):
                await channel.get_queue(queue)
