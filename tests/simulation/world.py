"""Relays, a simulated broker and consumers in one process, executed step by step.

The commands, the relay's batch, the consumer's transaction and the handlers are the services' real
code, on a real PostgreSQL. The broker is simulated: a queue is a list, from which a step delivers
any messages in any order. A message stays in its list until the consumer acknowledges it.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from typing import Any

import aio_pika
import asyncpg
from aio_pika.exceptions import AMQPConnectionError
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import Database, execute
from chassis.http.errors import Problem
from chassis.messaging import message_format
from chassis.messaging.consumer import Consumer, Delivery, parse
from chassis.messaging.events import EventId
from chassis.messaging.publisher import Message
from chassis.messaging.relay import Relay
from chassis.messaging.subscriptions import Subscriptions

PRODUCERS = ("users", "tweets", "media")
MANY = 1_000


class Trouble(Enum):
    none = auto()
    refused = auto()
    """The connection breaks before the broker has the message."""
    unconfirmed = auto()
    """The broker has the message, and the connection breaks before the confirmation."""
    killed = auto()
    """The process dies between publishing and marking, or between commit and acknowledgement."""
    bug = auto()
    """A handler raises an exception: its transaction must have no effect."""


class Bug(Exception):
    """The exception of a failing handler."""


class RolledBack(Exception):
    """Raised to roll a request's transaction back."""


class Exchange:
    """In place of the relays' publisher; injects one fault into a batch."""

    def __init__(self, queues: dict[str, list[Message]]) -> None:
        self._queues = queues
        self.trouble = Trouble.none
        self.troubled_at = 0
        self.relaying: asyncpg.Connection | None = None
        self._published = 0

    async def publish(self, messages: Sequence[Message]) -> list[BaseException | None]:
        return [self._publish(message) for message in messages]

    def _publish(self, message: Message) -> BaseException | None:
        struck = self._published == self.troubled_at
        self._published += 1
        if struck and self.trouble is Trouble.refused:
            return AMQPConnectionError()
        for name, queue in self._queues.items():
            if name.partition(".")[2] == message.routing_key:
                queue.append(message)
        if struck and self.trouble is Trouble.unconfirmed:
            return AMQPConnectionError()
        if struck and self.trouble is Trouble.killed:
            assert self.relaying is not None
            self.relaying.terminate()
        return None

    def strike(self, trouble: Trouble, at: int, relaying: asyncpg.Connection) -> None:
        self.trouble, self.troubled_at, self.relaying = trouble, at, relaying
        self._published = 0


class World:
    def __init__(self, databases: dict[str, Database], reactions: dict[str, Subscriptions]) -> None:
        self.databases = databases
        self._reactions = {
            subscription.queue: (service, subscription)
            for service, subscriptions in reactions.items()
            for subscription in subscriptions
        }
        self._consumers = {
            # Without a connection: this class delivers and acknowledges.
            service: Consumer(databases[service], None, subscriptions)  # type: ignore[arg-type]
            for service, subscriptions in reactions.items()
        }
        self.queues: dict[str, list[Message]] = {name: [] for name in self._reactions}
        self._exchange = Exchange(self.queues)

    def keys(self, service: str) -> set[str]:
        """The routing keys that the service subscribes to."""
        return {
            subscription.event.routing_key
            for reacting, subscription in self._reactions.values()
            if reacting == service
        }

    async def empty(self) -> None:
        for database in self.databases.values():
            async with database.transaction() as session:
                names = await execute(
                    session,
                    text(
                        "select relname from pg_class"
                        " where relnamespace = current_schema()::regnamespace and relkind = 'r'"
                        # `position` has one row from the beginning.
                        " and relname not in ('alembic_version', 'position')"
                        " and has_table_privilege(oid, 'truncate')"
                    ),
                )
                await execute(session, text(f"truncate {', '.join(names.scalars())} cascade"))

    async def request(
        self,
        service: str,
        command: Callable[[AsyncSession], Awaitable[Any]],
        *,
        rolled_back: bool = False,
    ) -> tuple[bool, Any]:
        """Runs a command. Returns whether it was acknowledged, and its result."""
        try:
            async with self.databases[service].transaction() as session:
                result = await command(session)
                if rolled_back:
                    raise RolledBack
        except (Problem, RolledBack):
            return False, None
        return True, result

    async def relay(self, service: str, trouble: Trouble = Trouble.none, at: int = 0) -> int:
        """Runs one batch of a relay; returns how many events it published, 0 after a fault."""
        relay = Relay(self.databases[service], None, events_per_message=3)  # type: ignore[arg-type]
        connection = await self.databases[service].connect()
        self._exchange.strike(trouble, at, connection)
        try:
            return await relay.publish_pending(connection, self._exchange)  # type: ignore[arg-type]
        except (AMQPConnectionError, asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
            return 0
        finally:
            connection.terminate()

    async def deliver(
        self, service: str, choose: Callable[[int], int], count: int, trouble: Trouble
    ) -> None:
        """Delivers a batch of messages from the service's queues; `choose` picks each one."""
        waiting = [
            (queue, message)
            for queue, (reacting, _) in self._reactions.items()
            if reacting == service
            for message in self.queues[queue]
        ]
        taken = [waiting.pop(choose(len(waiting))) for _ in range(min(count, len(waiting)))]
        if not taken:
            return
        batch = [event for queue, message in taken for event in self._arrived(queue, message)]
        if trouble is Trouble.bug:
            batch[-1] = _failing(batch[-1])
        try:
            await self._consumers[service].handle(batch)
        except Bug:
            return
        if trouble is not Trouble.killed:
            for queue, message in taken:
                self.queues[queue].remove(message)

    def _arrived(self, queue: str, message: Message) -> list[Delivery]:
        _, subscription = self._reactions[queue]
        properties = message.properties
        incoming: Any = aio_pika.Message(
            message.body,
            message_id=properties.message_id,
            type=properties.message_type,
            content_type=properties.content_type,
            headers=properties.headers,
        )
        return [parse(subscription, event) for event in message_format.decode(incoming)]

    async def calm(self) -> None:
        """Publishes and handles events until none is left."""
        while True:
            published = sum([await self.relay(service) for service in PRODUCERS])
            waiting = sum(map(len, self.queues.values()))
            if not published and not waiting:
                return
            for service in self._consumers:
                await self.deliver(service, lambda _: 0, MANY, Trouble.none)

    async def rows(self, service: str, statement: str) -> Sequence[Any]:
        async with self.databases[service].transaction() as session:
            return [tuple(row) for row in await execute(session, text(statement))]


def _failing(arrived: Delivery) -> Delivery:
    async def fail(*_: object) -> None:
        await arrived.subscription.handler(*_)  # type: ignore[arg-type]
        raise Bug

    failing = dataclasses.replace(arrived.subscription, handler=fail)
    # With a new event id, because the inbox would skip an event that was handled before.
    return dataclasses.replace(arrived, subscription=failing, event_id=EventId("test", 1))
