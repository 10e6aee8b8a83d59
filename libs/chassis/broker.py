"""The way to RabbitMQ: one connection, and the queues that a service's subscriptions need."""

import asyncio
import secrets

from aio_pika import ExchangeType, connect_robust
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractRobustConnection

from .events import EXCHANGE
from .subscriptions import DELIVERY_LIMIT, RETRY_DELAYS, Subscriptions, dead_name

HEARTBEAT_SECONDS = 10
DECLARE_SECONDS = 30


class BrokerAway(Exception):
    """The broker is not connected at present."""


async def connect(url: str, name: str) -> AbstractRobustConnection:
    """A connection that comes back by itself, with its channels, queues and consumers.

    `name` is what an operator sees in the broker's list of connections.
    """
    return await connect_robust(
        url, heartbeat=HEARTBEAT_SECONDS, timeout=10, client_properties={"connection_name": name}
    )


async def events_exchange(channel: AbstractChannel) -> AbstractExchange:
    return await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)


def own_queue(service: str) -> str:
    """The name of a queue that lives as long as one process listens to it."""
    return f"{service}.{secrets.token_hex(8)}"


async def declare(channel: AbstractChannel, subscriptions: Subscriptions) -> None:
    """Makes every queue of the service's, bound and with its dead letters. Safe to run twice.

    It runs before the first event can be published: a queue that is made later has missed some.
    """
    for retired in subscriptions.retired:
        for queue_name in (retired, dead_name(retired)):
            await channel.queue_delete(queue_name)
    exchange = await events_exchange(channel)
    for subscription in subscriptions:
        await channel.declare_queue(
            subscription.dead_queue, durable=True, arguments={"x-queue-type": "quorum"}
        )
        queue = await channel.declare_queue(
            subscription.queue,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": subscription.dead_queue,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )
        await queue.bind(exchange, subscription.event.routing_key)
    for delay in RETRY_DELAYS:
        # A message waits here until its time is up, then goes to the queue that its routing key
        # names: hence an exchange of its own, which keeps that key.
        name = subscriptions.retry_exchange(delay)
        waiting = await channel.declare_queue(
            name,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-message-ttl": delay * 1000,
                "x-dead-letter-exchange": "",
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )
        await waiting.bind(await channel.declare_exchange(name, ExchangeType.FANOUT, durable=True))


async def keep_declared(connection: AbstractRobustConnection, subscriptions: Subscriptions) -> None:
    """Runs until it is cancelled: what somebody deletes at the broker is made anew.

    A binding that is gone is told to nobody: its queue only stays empty. What was published
    meanwhile has passed it by.
    """
    while True:
        await asyncio.sleep(DECLARE_SECONDS)
        async with connection.channel() as channel:
            await declare(channel, subscriptions)


def check(connection: AbstractRobustConnection | None) -> None:
    """Raises BrokerAway unless the connection is up."""
    if connection is None or connection.is_closed or not connection.connected.is_set():
        raise BrokerAway
