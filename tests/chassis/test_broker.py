"""A service's queues are as its subscriptions say, also after somebody has deleted some of them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aio_pika import Connection, RobustConnection
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import AMQPConnectionError, ChannelNotFoundEntity, DeliveryError
from aiormq.abc import DeliveredMessage
from yarl import URL

from chassis.database.session import AnySession, Database
from chassis.messaging import broker
from chassis.messaging.consumer import BATCH
from chassis.messaging.subscriptions import Subscriptions
from chassis.process.background_loops import run_forever
from devstack.instance import Instance
from tests.waiting import eventually

from .conftest import ProbeEvent
from .test_consumer import consuming, insert_effect, message, publish

_CONFIRM_SECONDS = 10


@pytest.mark.parametrize("deleted", ["its binding", "the queue"])
async def test_a_deleted_queue_or_binding_is_declared_again(
    database: Database,
    infrastructure: Instance,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
    monkeypatch: pytest.MonkeyPatch,
    deleted: str,
) -> None:
    monkeypatch.setattr("chassis.messaging.broker.DECLARE_INTERVAL_SECONDS", 0.5)
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])
    first = int(probe_event.routing_key[5:13], 16) * 100

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)

    async with consuming(database, connection, subscriptions) as consumer:
        # As the worker runs it: an error ends one round, not the loop.
        keep_declared = partial(
            broker.keep_queues_declared, connection, subscriptions, consumer.reconnect_if_stalled
        )
        declaring = asyncio.create_task(run_forever("declare", keep_declared))
        (subscription,) = subscriptions
        async with connection.channel() as channel:
            if deleted == "the queue":
                await channel.queue_delete(subscription.queue)
            else:
                exchange = await broker.events_exchange(channel)
                queue = await channel.get_queue(subscription.queue)
                await queue.unbind(exchange, probe_event.routing_key)
        number = first

        async def queue_takes_an_event() -> bool:
            nonlocal number
            number += 1
            # The broker never confirms what it put into a queue that is being deleted. So each
            # attempt has a connection of its own and a deadline, in which it need not connect.
            try:
                publisher = await broker.connect_once(infrastructure.broker_url, "warble-test")
                async with AsyncExitStack() as stack:
                    stack.push_async_callback(broker.close_quietly, publisher)
                    async with asyncio.timeout(_CONFIRM_SECONDS):
                        await publish(publisher, probe_event.routing_key, [message(number)])
            except (DeliveryError, TimeoutError, broker.BrokerUnavailable):
                return False
            return True

        async def event_has_its_effect() -> bool:
            # The broker may confirm an event and lose it with the queue that is being deleted.
            return await queue_takes_an_event() and bool(await effects())

        # aio_pika looks for consumers that the broker cancelled every five seconds. Sometimes the
        # broker delivers nothing to them afterwards: see `Consumer.reconnect_if_stalled`.
        await eventually(event_has_its_effect)
        declaring.cancel()
        await asyncio.wait([declaring])

    assert set(await effects()) <= set(range(first, number + 1))


async def test_a_consumer_to_which_the_broker_delivers_nothing_connects_again(
    database: Database,
    connection: AbstractRobustConnection,
    probe_event: type[ProbeEvent],
    effects: Callable[[], Awaitable[list[int]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.messaging.broker.DECLARE_INTERVAL_SECONDS", 0.1)
    subscriptions = Subscriptions(probe_event.routing_key.partition(".")[0])
    first = int(probe_event.routing_key[5:13], 16) * 100
    numbers = list(range(first, first + BATCH + 10))

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None:
        await insert_effect(session, event)

    async def lose(message: DeliveredMessage) -> None:
        """Takes the place of the consumer: these messages count as delivered, and never arrive."""

    async with consuming(database, connection, subscriptions) as consumer:
        assert consumer._channel is not None
        channel: Any = await consumer._channel.get_underlay_channel()
        (tag,) = channel.consumers
        channel.consumers[tag] = lose
        # First of all: the consumer connects again, and this connection is the publisher's too.
        await publish(connection, probe_event.routing_key, [message(number) for number in numbers])
        keep_declared = broker.keep_queues_declared(
            connection, subscriptions, consumer.reconnect_if_stalled
        )
        declaring = asyncio.create_task(keep_declared)

        async def all_have_their_effect() -> bool:
            return await effects() == numbers

        await eventually(all_have_their_effect)
        declaring.cancel()
        await asyncio.wait([declaring])


async def test_the_queue_of_a_retired_subscription_is_deleted(
    database: Database, connection: AbstractRobustConnection, probe_event: type[ProbeEvent]
) -> None:
    service = probe_event.routing_key.partition(".")[0]
    subscriptions = Subscriptions(service)

    @subscriptions.on(probe_event)
    async def on_probe_event(session: AnySession, event: ProbeEvent, version: int) -> None: ...

    async with connection.channel() as channel:
        await broker.declare_queues(channel, subscriptions)
        await broker.declare_queues(
            channel, Subscriptions(service, retired=[probe_event.routing_key])
        )

    for queue in (
        f"{service}.{probe_event.routing_key}",
        f"{service}.{probe_event.routing_key}.dead",
    ):
        async with connection.channel() as channel:
            with pytest.raises(ChannelNotFoundEntity):
                await channel.get_queue(queue)


async def test_of_several_nodes_one_that_answers_is_used(infrastructure: Instance) -> None:
    url = infrastructure.broker_url.replace("@", "@127.0.0.9:1,")

    for _ in range(4):
        async with await broker.connect_once(url, "warble-test") as connection:
            assert (await connection.channel()).is_initialized


def test_each_node_gets_the_account_and_the_default_port_of_the_scheme() -> None:
    nodes = broker.node_urls("amqps://feed:a,b@one, two:5673/%2f?no_verify_ssl=1")

    assert [str(node) for node in nodes] == [
        "amqps://feed:a,b@one:5671/%2F?no_verify_ssl=1",
        "amqps://feed:a,b@two:5673/%2F?no_verify_ssl=1",
    ]


async def test_a_channel_on_which_the_broker_does_not_answer_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.messaging.broker.CLOSE_TIMEOUT_SECONDS", 0.1)
    connection, channel = AsyncMock(), AsyncMock()
    connection.channel.return_value = channel
    channel.close.side_effect = asyncio.Event().wait

    async with asyncio.timeout(60), broker.open_channel(connection) as opened:
        assert opened is channel


async def test_without_a_connection_the_broker_is_unavailable(infrastructure: Instance) -> None:
    not_connected = RobustConnection(URL(infrastructure.broker_url))

    with pytest.raises(broker.BrokerUnavailable):
        async with broker.open_channel(not_connected):
            pass


async def test_a_connection_that_was_refused_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[Connection] = []

    class RecordedConnection(Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            attempts.append(self)

    monkeypatch.setattr(broker, "Connection", RecordedConnection)

    with pytest.raises(AMQPConnectionError):
        await broker.connect_once("amqp://127.0.0.1:1", "warble-test")

    assert [attempt.is_closed for attempt in attempts] == [True]
