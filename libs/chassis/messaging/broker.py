"""Connections to RabbitMQ, and the queues that a service's subscriptions need.

Every service publishes to one topic exchange, `warble.events`. A subscription has three places for
a message: its queue; the service's retry queues, one for each delay, from which the broker moves a
message back to its queue when the delay is over; and a queue of dead letters beside each queue. All
are quorum queues. A service reaches its own queues by name through an exchange of its own, because
no account may publish to the default exchange, which reaches the queues of all services.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from typing import Any, TypeVar

from aio_pika import Connection, ExchangeType, RobustConnection
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractRobustConnection,
)
from aio_pika.exceptions import (
    AMQPConnectionError,
    AMQPError,
    ChannelInvalidStateError,
    ChannelPreconditionFailed,
)
from aiormq.connection import (
    DEFAULT_PORTS,
    TCPTransportFactory,
    TLSTransportFactory,
    TransportFactory,
)
from yarl import URL

from chassis.messaging.events import EXCHANGE
from chassis.messaging.retries import DELIVERY_LIMIT, RETRY_DELAYS
from chassis.messaging.subscriptions import Subscriptions, dead_queue_name

HEARTBEAT_SECONDS = 10
DECLARE_INTERVAL_SECONDS = 30
DECLARE_TIMEOUT_SECONDS = 60
"""For declaring all queues. Without it, a call on a connection that a dying broker had blocked
would wait for ever."""
CONNECT_TIMEOUT_SECONDS = 10
CLOSE_TIMEOUT_SECONDS = 3

C = TypeVar("C", bound=Connection)


class BrokerUnavailable(ConnectionError):
    """The broker is not connected, or does not answer."""


@asynccontextmanager
async def deadline(seconds: float | None = None) -> AsyncIterator[None]:
    """Raises BrokerUnavailable after `seconds`, and for a cancellation that nobody requested.

    When a broker misses its heartbeats, aiormq closes the connection and cancels the tasks that
    wait for an answer. CancelledError passes every `except Exception`, so the waiting loop would
    end silently and for good. A cancellation that this process requested, to stop the task, passes.
    """
    task = asyncio.current_task()
    assert task is not None
    requested_before = task.cancelling()
    try:
        async with asyncio.timeout(seconds) as timeout:
            yield
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise BrokerUnavailable("The broker did not answer in time.") from error
    except asyncio.CancelledError as error:
        if task.cancelling() > requested_before:
            raise
        raise BrokerUnavailable("The broker missed its heartbeats.") from error


async def connect(url: str, name: str) -> RobustConnection:
    """Opens a connection that reconnects by itself, with its channels, queues and consumers.

    `url` may name several nodes of a cluster, separated by commas: the first that answers is used.
    `name` appears in the broker's list of connections. Raises BrokerUnavailable and AMQPError.
    """
    return await _open(RobustConnection, url, name)


async def connect_once(url: str, name: str) -> Connection:
    """Like `connect`, for callers that must notice when the connection ends: it does not
    reconnect."""
    return await _open(Connection, url, name)


async def close_quietly(connection: Connection) -> None:
    """Closes the connection within CLOSE_TIMEOUT_SECONDS, also if the broker does not answer."""
    with suppress(AMQPError, BrokerUnavailable):
        async with deadline(CLOSE_TIMEOUT_SECONDS):
            await connection.close()


@asynccontextmanager
async def open_channel(
    connection: AbstractConnection, **options: Any
) -> AsyncIterator[AbstractChannel]:
    """A channel that is closed within CLOSE_TIMEOUT_SECONDS, also if the broker does not answer.

    The broker may never answer on the channel of a call that was cancelled, for example while it
    deletes a queue: aio_pika's own context manager would then wait for ever. `options` are those of
    `Connection.channel`.
    """
    if connection.transport is None:
        raise BrokerUnavailable
    channel = await connection.channel(**options)
    try:
        yield channel
    finally:
        with suppress(AMQPError, ChannelInvalidStateError, BrokerUnavailable):
            async with deadline(CLOSE_TIMEOUT_SECONDS):
                await channel.close()


async def wait_until_unblocked(connection: Connection) -> None:
    """Returns when the broker accepts messages again, or when the connection has ended.

    aiormq's `ready` alone would wait for ever if the broker dies while it blocks the connection.
    """
    if connection.transport is None:
        return
    driver = connection.transport.connection
    ready = asyncio.ensure_future(driver.ready())
    try:
        await asyncio.wait([ready, driver.closing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        ready.cancel()


async def _open(connection_class: type[C], url: str, name: str) -> C:
    nodes = node_urls(url)
    first_url = nodes[0].update_query(heartbeat=HEARTBEAT_SECONDS)
    connection = connection_class(first_url, client_properties={"connection_name": name})
    # aio-pika passes `kwargs` to aiormq each time that it connects, so a reconnect rotates too.
    connection.kwargs["transport_factory"] = _RotatingTransportFactory(nodes)
    try:
        await connection.connect(timeout=CONNECT_TIMEOUT_SECONDS)
    except BaseException as error:
        # Otherwise aio_pika closes it when Python frees it, which fails outside of the event loop.
        await close_quietly(connection)
        if isinstance(error, TimeoutError):
            raise BrokerUnavailable("The broker did not accept the connection in time.") from error
        raise
    return connection


def node_urls(url: str) -> list[URL]:
    """Splits `amqp://feed:secret@one,two:5673/` into one address for each node."""
    before, at, after = url.rpartition("@")
    hosts, slash, path = after.partition("/")
    nodes = [URL(f"{before}{at}{host.strip()}{slash}{path}") for host in hosts.split(",")]
    return [node.with_port(node.port or DEFAULT_PORTS[node.scheme]) for node in nodes]


class _RotatingTransportFactory(TransportFactory):
    """Connects to the next node at each attempt, so that a node that hangs costs one attempt. A
    node that refuses the connection costs none: the next one is tried at once."""

    def __init__(self, nodes: Sequence[URL]) -> None:
        self._nodes = nodes
        # In random order, so that the processes spread over the nodes.
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
    """Declares the exchange to which every service publishes its events."""
    return await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)


def exclusive_queue_name(service: str) -> str:
    """The name of a queue that one process consumes, and that is deleted with its connection."""
    return f"{service}.{secrets.token_hex(8)}"


async def service_exchange(channel: AbstractChannel, service: str) -> AbstractExchange:
    """Declares the exchange by which a service publishes to its own queues by their names.

    The default exchange reaches the queues of all services, so no service's account may use it.
    """
    return await channel.declare_exchange(f"{service}.queues", ExchangeType.DIRECT, durable=True)


async def declare_queues(
    channel: AbstractChannel,
    subscriptions: Subscriptions,
    legacy_queues: frozenset[str] = frozenset(),
) -> dict[str, int]:
    """Declares and binds all queues of the service, with their dead letters. Idempotent.

    Queues have to exist before the first event is published, because a queue receives nothing that
    was published before it was bound. Those in `legacy_queues` keep their arguments. Returns how
    many messages wait for a consumer in each subscription's queue.
    """
    for retired in subscriptions.retired:
        for queue_name in (retired, dead_queue_name(retired)):
            await channel.queue_delete(queue_name)
    events = await events_exchange(channel)
    by_queue_name = await service_exchange(channel, subscriptions.service)
    queues = {
        name: await channel.declare_queue(
            name,
            durable=True,
            passive=name in legacy_queues,
            arguments=None if name in legacy_queues else arguments,
        )
        for name, arguments in _queue_arguments(subscriptions).items()
    }
    for subscription in subscriptions:
        queue = queues[subscription.queue]
        await queue.bind(events, subscription.event.routing_key)
        await queue.bind(by_queue_name, queue.name)
        await queues[subscription.dead_queue].bind(by_queue_name, subscription.dead_queue)
    for delay in RETRY_DELAYS:
        # When a message's time in the retry queue is over, the broker sends it to the service's
        # exchange under its own routing key, the name of the queue that it came from. A fanout
        # exchange for each delay keeps that key; publishing to the retry queue by name would
        # replace it.
        name = subscriptions.retry_exchange(delay)
        await queues[name].bind(
            await channel.declare_exchange(name, ExchangeType.FANOUT, durable=True)
        )
    subscribed = [queues[subscription.queue] for subscription in subscriptions]
    return {queue.name: queue.declaration_result.message_count or 0 for queue in subscribed}


def _queue_arguments(subscriptions: Subscriptions) -> dict[str, dict[str, Any]]:
    """The `x-` arguments of each of the service's queues, by name."""
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


async def legacy_queues(
    connection: AbstractRobustConnection, subscriptions: Subscriptions
) -> frozenset[str]:
    """The names of queues that an earlier version declared with other arguments.

    The arguments of an existing queue cannot change. Such a queue may hold messages, so it is used
    as it is.
    """
    legacy = set()
    undeclared = _queue_arguments(subscriptions)
    while undeclared:
        try:
            async with open_channel(connection) as channel:
                await service_exchange(channel, subscriptions.service)
                for name, arguments in list(undeclared.items()):
                    await channel.declare_queue(name, durable=True, arguments=arguments)
                    del undeclared[name]
        except ChannelPreconditionFailed:
            # The broker has closed the channel: continue after this queue on a new one.
            legacy.add(name)
            del undeclared[name]
    return frozenset(legacy)


async def keep_queues_declared(
    connection: AbstractRobustConnection,
    subscriptions: Subscriptions,
    inspect: Callable[[Mapping[str, int]], Awaitable[None]],
) -> None:
    """Declares the queues every DECLARE_INTERVAL_SECONDS, until it is cancelled, and calls
    `inspect` with what `declare_queues` returns.

    This repairs what an operator deletes at the broker. The broker reports a deleted binding to no
    client: the queue only stays empty. Events published in between never reach the queue;
    `projections.backfill` brings them.
    """
    async with deadline(DECLARE_TIMEOUT_SECONDS):
        legacy = await legacy_queues(connection, subscriptions)
    while True:
        await asyncio.sleep(DECLARE_INTERVAL_SECONDS)
        async with deadline(DECLARE_TIMEOUT_SECONDS), open_channel(connection) as channel:
            waiting = await declare_queues(channel, subscriptions, legacy)
        await inspect(waiting)


async def purge_queues(channel: AbstractChannel, subscriptions: Subscriptions) -> None:
    """Deletes every message on its way to the service: waiting, to be retried, or dead."""
    names = [
        name
        for subscription in subscriptions
        for name in (subscription.queue, subscription.dead_queue)
    ]
    names += [subscriptions.retry_exchange(delay) for delay in RETRY_DELAYS]
    for name in names:
        await (await channel.get_queue(name)).purge()
    await channel.queue_delete(rebuild_queue_name(subscriptions.service))


def rebuild_queue_name(service: str) -> str:
    """The queue for events that are published while `projections.rebuild` runs."""
    return f"{service}.rebuild"


def check_connected(connection: AbstractRobustConnection | None) -> None:
    """Raises BrokerUnavailable unless the connection is up."""
    if connection is None or connection.is_closed or not connection.connected.is_set():
        raise BrokerUnavailable
