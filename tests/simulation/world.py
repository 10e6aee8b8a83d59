"""Relays, broker and consumers in one process, each step by itself, on the services' real code.

The commands, the relay's batch, the consumer's transaction and the handlers are the real ones, on a
real PostgreSQL. The broker is a list a queue: it gives out what it likes, in any order, as often as
it is not told that it was done.
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

from chassis.consumer import Arrived, Consumer
from chassis.database import Database, execute
from chassis.errors import Problem
from chassis.events import EventId
from chassis.relay import Relay
from chassis.subscriptions import Subscriptions

PRODUCERS = ("users", "tweets", "media")
MANY = 1_000


class Trouble(Enum):
    none = auto()
    refused = auto()
    """The broker is away before it has the message."""
    unconfirmed = auto()
    """It has the message, and goes away before it says so."""
    killed = auto()
    """The process dies: between publishing and marking, or between the commit and the answer."""
    bug = auto()
    """A handler raises: nothing of its transaction may be there."""


class Bug(Exception):
    """What a handler raises."""


class RolledBack(Exception):
    """Ends a request before its commit."""


class Exchange:
    """What the relay sees of the broker."""

    def __init__(self, queues: dict[str, list[aio_pika.Message]]) -> None:
        self._queues = queues
        self.trouble = Trouble.none
        self.troubled_at = 0
        self.relaying: asyncpg.Connection | None = None
        self._published = 0

    async def publish(self, message: aio_pika.Message, key: str, **_: Any) -> None:
        struck = self._published == self.troubled_at
        self._published += 1
        if struck and self.trouble is Trouble.refused:
            raise AMQPConnectionError
        for name, queue in self._queues.items():
            if name.partition(".")[2] == key:
                queue.append(message)
        if struck and self.trouble is Trouble.unconfirmed:
            raise AMQPConnectionError
        if struck and self.trouble is Trouble.killed:
            assert self.relaying is not None
            self.relaying.terminate()

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
            # The broker's part of it is played here.
            service: Consumer(databases[service], None, subscriptions)  # type: ignore[arg-type]
            for service, subscriptions in reactions.items()
        }
        self.queues: dict[str, list[aio_pika.Message]] = {name: [] for name in self._reactions}
        self._exchange = Exchange(self.queues)

    def keys(self, service: str) -> set[str]:
        """The events that the service reacts to, whatever they say."""
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
                        " and relname <> 'alembic_version'"
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
        """Whether it was acknowledged, and what it gave."""
        try:
            async with self.databases[service].transaction() as session:
                given = await command(session)
                if rolled_back:
                    raise RolledBack
        except (Problem, RolledBack):
            return False, None
        return True, given

    async def relay(self, service: str, trouble: Trouble = Trouble.none, at: int = 0) -> int:
        """One batch of a relay; gives how many events it published, as far as it lived."""
        relay = Relay(self.databases[service], None)  # type: ignore[arg-type]
        connection = await self.databases[service].connection()
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
        """A batch of messages of any of the service's queues, in any order."""
        waiting = [
            (queue, message)
            for queue, (reacting, _) in self._reactions.items()
            if reacting == service
            for message in self.queues[queue]
        ]
        taken = [waiting.pop(choose(len(waiting))) for _ in range(min(count, len(waiting)))]
        if not taken:
            return
        batch = [self._arrived(queue, message) for queue, message in taken]
        if trouble is Trouble.bug:
            batch[-1] = _failing(batch[-1])
        try:
            await self._consumers[service].handle(batch)
        except Bug:
            return
        if trouble is not Trouble.killed:
            for queue, message in taken:
                self.queues[queue].remove(message)

    def _arrived(self, queue: str, message: aio_pika.Message) -> Arrived:
        _, subscription = self._reactions[queue]
        event = subscription.event.model_validate_json(message.body)
        given: Any = message
        return Arrived(subscription, given, EventId.parse(message.message_id or ""), event)

    async def calm(self) -> None:
        """Publishes and handles all that there is, until nothing is left."""
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


def _failing(arrived: Arrived) -> Arrived:
    async def fail(*_: object) -> None:
        await arrived.subscription.handler(*_)  # type: ignore[arg-type]
        raise Bug

    failing = dataclasses.replace(arrived.subscription, handler=fail)
    # Under a number that nobody has had: the inbox would pass over one that was handled.
    return dataclasses.replace(arrived, subscription=failing, event_id=EventId("test", 1))
