"""The way to RabbitMQ: one connection, and the queues that a service's subscriptions need."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from typing import Any, TypeVar

from aio_pika import Connection, ExchangeType, RobustConnection
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractRobustConnection
from aio_pika.exceptions import AMQPConnectionError, AMQPError, ChannelPreconditionFailed
from aiormq.connection import (
    DEFAULT_PORTS,
    TCPTransportFactory,
    TLSTransportFactory,
    TransportFactory,
)
from yarl import URL

from .events import EXCHANGE
from .subscriptions import DELIVERY_LIMIT, RETRY_DELAYS, Subscriptions, dead_name

HEARTBEAT_SECONDS = 10
DECLARE_SECONDS = 30
DECLARED_SECONDS = 60
"""What declaring may take: a driver that was blocked waits on where its broker has died."""
CONNECT_SECONDS = 10
LEAVE_SECONDS = 3

C = TypeVar("C", bound=Connection)


class BrokerAway(ConnectionError):
    """The broker is not connected at present."""


@asynccontextmanager
async def reaching(seconds: float | None = None) -> AsyncIterator[None]:
    """Raises BrokerAway where something takes longer, and for a cancellation that nobody asked for.

    A broker that is silent for too long is given up by the driver, which cancels whatever waits for
    an answer. That would pass by every `except Exception` and end who waits for good.
    """
    task = asyncio.current_task()
    assert task is not None
    asked = task.cancelling()
    try:
        async with asyncio.timeout(seconds) as patience:
            yield
    except TimeoutError as error:
        if not patience.expired():
            raise
        raise BrokerAway("It did not answer in time.") from error
    except asyncio.CancelledError as error:
        if task.cancelling() > asked:
            raise
        raise BrokerAway("It was silent for too long.") from error


async def connect(url: str, name: str) -> RobustConnection:
    """A connection that comes back by itself, with its channels, queues and consumers.

    `url` may name several nodes of a cluster, with commas between: whichever answers is used.
    `name` is what an operator sees in the broker's list of connections.
    """
    return await _connected(RobustConnection, url, name)


async def connect_once(url: str, name: str) -> Connection:
    """As `connect`, but for one who has to know when it ends: it does not come back."""
    return await _connected(Connection, url, name)


async def leave(connection: Connection) -> None:
    """Closes it in a bounded time: a broker that is silent takes no leave."""
    with suppress(AMQPError, BrokerAway):
        async with reaching(LEAVE_SECONDS):
            await connection.close()


async def unblocked(connection: Connection) -> None:
    """Returns when the broker takes what is published, or the connection has ended.

    The driver by itself would wait on when a broker that has blocked it dies.
    """
    if connection.transport is None:
        return
    driver = connection.transport.connection
    ready = asyncio.ensure_future(driver.ready())
    try:
        await asyncio.wait([ready, driver.closing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        ready.cancel()


async def _connected(kind: type[C], url: str, name: str) -> C:
    nodes = nodes_of(url)
    asked = nodes[0].update_query(heartbeat=HEARTBEAT_SECONDS)
    connection = kind(asked, client_properties={"connection_name": name})
    # aio-pika hands its driver what stands here, each time that it connects.
    connection.kwargs["transport_factory"] = _Nodes(nodes)
    try:
        await connection.connect(timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise BrokerAway("It did not accept the connection in time.") from error
    return connection


def nodes_of(url: str) -> list[URL]:
    """`amqp://feed:secret@one,two:5673/` as an address for each node."""
    before, at, behind = url.rpartition("@")
    hosts, slash, path = behind.partition("/")
    nodes = [URL(f"{before}{at}{host.strip()}{slash}{path}") for host in hosts.split(",")]
    return [node.with_port(node.port or DEFAULT_PORTS[node.scheme]) for node in nodes]


class _Nodes(TransportFactory):
    """The next node each time, so that one that hangs is asked once; one that refuses is passed
    over."""

    def __init__(self, nodes: Sequence[URL]) -> None:
        self._nodes = nodes
        # Not everybody asks the same one first.
        self._next = cycle(secrets.SystemRandom().sample(nodes, len(nodes)))

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        for _ in self._nodes[1:]:
            try:
                return await factory.create(next(self._next), **kwargs)
            except AMQPConnectionError:
                continue
        return await factory.create(next(self._next), **kwargs)


async def events_exchange(channel: AbstractChannel) -> AbstractExchange:
    return await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)


def own_queue(service: str) -> str:
    """The name of a queue that lives as long as one process listens to it."""
    return f"{service}.{secrets.token_hex(8)}"


async def own_exchange(channel: AbstractChannel, service: str) -> AbstractExchange:
    """By which a service reaches its own queues by their names. The default exchange reaches
    everybody's: no account of a service's may publish there."""
    return await channel.declare_exchange(f"{service}.queues", ExchangeType.DIRECT, durable=True)


async def declare(
    channel: AbstractChannel, subscriptions: Subscriptions, of_before: frozenset[str] = frozenset()
) -> None:
    """Makes every queue of the service's, bound and with its dead letters. Safe to run twice.

    It runs before the first event can be published: a queue that is made later has missed some.
    Queues `of_before` stay as they are.
    """
    for retired in subscriptions.retired:
        for queue_name in (retired, dead_name(retired)):
            await channel.queue_delete(queue_name)
    exchange = await events_exchange(channel)
    own = await own_exchange(channel, subscriptions.service)
    queues = {
        name: await channel.declare_queue(
            name,
            durable=True,
            passive=name in of_before,
            arguments=None if name in of_before else arguments,
        )
        for name, arguments in _queues(subscriptions).items()
    }
    for subscription in subscriptions:
        queue = queues[subscription.queue]
        await queue.bind(exchange, subscription.event.routing_key)
        await queue.bind(own, queue.name)
        await queues[subscription.dead_queue].bind(own, subscription.dead_queue)
    for delay in RETRY_DELAYS:
        # A message waits here until its time is up, then goes to the queue that its routing key
        # names: hence an exchange of its own, which keeps that key.
        name = subscriptions.retry_exchange(delay)
        await queues[name].bind(
            await channel.declare_exchange(name, ExchangeType.FANOUT, durable=True)
        )


def _queues(subscriptions: Subscriptions) -> dict[str, dict[str, Any]]:
    """What the broker has to know of each."""
    queues: dict[str, dict[str, Any]] = {}
    dead_letters = {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": f"{subscriptions.service}.queues",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    for subscription in subscriptions:
        queues[subscription.dead_queue] = {"x-queue-type": "quorum"}
        queues[subscription.queue] = {
            **dead_letters,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-routing-key": subscription.dead_queue,
        }
    for delay in RETRY_DELAYS:
        name = subscriptions.retry_exchange(delay)
        queues[name] = {**dead_letters, "x-message-ttl": delay * 1000}
    return queues


async def of_before(
    connection: AbstractRobustConnection, subscriptions: Subscriptions
) -> frozenset[str]:
    """Queues that an earlier version made, with arguments that nothing changes any more. They hold
    messages, and go on as they are."""
    old = set()
    unseen = _queues(subscriptions)
    while unseen:
        try:
            async with connection.channel() as channel:
                await own_exchange(channel, subscriptions.service)
                for name, arguments in list(unseen.items()):
                    await channel.declare_queue(name, durable=True, arguments=arguments)
                    del unseen[name]
        except ChannelPreconditionFailed:
            # The broker has closed the channel: the next one goes on behind this queue.
            old.add(name)
            del unseen[name]
    return frozenset(old)


async def keep_declared(connection: AbstractRobustConnection, subscriptions: Subscriptions) -> None:
    """Runs until it is cancelled: what somebody deletes at the broker is made anew.

    A binding that is gone is told to nobody: its queue only stays empty. What was published
    meanwhile has passed it by.
    """
    async with reaching(DECLARED_SECONDS):
        old = await of_before(connection, subscriptions)
    while True:
        await asyncio.sleep(DECLARE_SECONDS)
        async with reaching(DECLARED_SECONDS), connection.channel() as channel:
            await declare(channel, subscriptions, old)


async def empty(channel: AbstractChannel, subscriptions: Subscriptions) -> None:
    """Drops every message for the service: those that wait, are tried again, or are dead."""
    names = [name for each in subscriptions for name in (each.queue, each.dead_queue)]
    names += [subscriptions.retry_exchange(delay) for delay in RETRY_DELAYS]
    for name in names:
        await (await channel.get_queue(name)).purge()
    await channel.queue_delete(rebuild_queue(subscriptions.service))


def rebuild_queue(service: str) -> str:
    """What a rebuild hears of while it lasts."""
    return f"{service}.rebuild"


def check(connection: AbstractRobustConnection | None) -> None:
    """Raises BrokerAway unless the connection is up."""
    if connection is None or connection.is_closed or not connection.connected.is_set():
        raise BrokerAway
