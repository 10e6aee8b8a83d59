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
from deploy.local.instance import Instance
from tests.waiting import PATIENCE_SECONDS

from .conftest import Happened
from .test_consumer import consuming, message, note, publish

_CONFIRM_SECONDS = 5


@pytest.mark.parametrize("loss", ["its binding", "the queue"])
async def test_what_is_deleted_at_the_broker_comes_back(
    database: Database,
    infrastructure: Instance,
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
        # Of their own: who consumes is brought back channel by channel, and these come and go.
        others = await broker.connect_once(infrastructure.broker_url, "warble-test")
        async with asyncio.timeout(PATIENCE_SECONDS), others:
            while not await effects():
                number += 1
                # The broker never confirms what it has put into a queue that is just being deleted.
                with suppress(DeliveryError, TimeoutError):
                    async with asyncio.timeout(_CONFIRM_SECONDS):
                        await publish(others, happened.routing_key, [message(number)])
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


async def test_of_several_nodes_one_that_answers_is_found(infrastructure: Instance) -> None:
    url = infrastructure.broker_url.replace("@", "@127.0.0.9:1,")

    for _ in range(4):
        async with await broker.connect_once(url, "warble-test") as connection:
            assert (await connection.channel()).is_initialized


def test_each_node_has_the_account_and_the_port_of_its_scheme() -> None:
    nodes = broker.nodes_of("amqps://feed:a,b@one, two:5673/%2f?no_verify_ssl=1")

    assert [str(node) for node in nodes] == [
        "amqps://feed:a,b@one:5671/%2F?no_verify_ssl=1",
        "amqps://feed:a,b@two:5673/%2F?no_verify_ssl=1",
    ]
