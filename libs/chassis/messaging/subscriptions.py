"""Which events a service reacts to, and the names of the queues that deliver them."""

import importlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from chassis.database.session import AnySession
from chassis.messaging.events import Event

E = TypeVar("E", bound=Event)
Handler = Callable[[AnySession, E, int], Awaitable[None]]
"""Takes the transaction, the event and its version. Handlers commute: see docs/adr/0004."""
BulkHandler = Callable[[AnySession, Sequence[tuple[Any, int]]], Awaitable[None]]
"""Takes the transaction and many events of its classes with their versions. It has the effect of
calling the event's handler once for each, in fewer statements."""
B = TypeVar("B", bound=BulkHandler)


def queue_name(service: str, routing_key: str) -> str:
    return f"{service}.{routing_key}"


def dead_queue_name(queue: str) -> str:
    return f"{queue}.dead"


@dataclass(frozen=True)
class Subscription:
    service: str
    event: type[Event]
    handler: Handler[Any]
    is_relevant: Callable[[Any], bool]
    """Whether the handler has anything to do for this event. If not, the consumer acknowledges the
    message without opening a transaction."""
    bulk_handler: BulkHandler | None = None
    """What the consumer calls for several events of a batch. Several subscriptions may share it. It
    takes locks in a fixed order, because several workers may run, and records no events."""

    @property
    def queue(self) -> str:
        return queue_name(self.service, self.event.routing_key)

    @property
    def dead_queue(self) -> str:
        return dead_queue_name(self.queue)


def _always(_: Event) -> bool:
    return True


class Subscriptions:
    """A service's handlers by event. `handlers.py` registers each function with the decorator `on`.

    `sources` are the services that produce these events. `retired` are the routing keys of events
    that the service no longer reacts to: their queues are deleted, because nothing consumes them
    and they would grow.
    """

    def __init__(
        self, service: str, *, sources: Sequence[str] = (), retired: Sequence[str] = ()
    ) -> None:
        self.service = service
        self.sources = sources
        self.retired = [queue_name(service, key) for key in retired]
        self._by_key: dict[str, Subscription] = {}

    def on(
        self, event: type[E], *, when: Callable[[E], bool] = _always
    ) -> Callable[[Handler[E]], Handler[E]]:
        """Registers the decorated handler. An event for which `when` is false is not handled."""

        def subscribe(handler: Handler[E]) -> Handler[E]:
            self._by_key[event.routing_key] = Subscription(self.service, event, handler, when)
            return handler

        return subscribe

    def on_many(self, *events: type[Event]) -> Callable[[B], B]:
        """Registers the decorated bulk handler for each of these classes: see
        `Subscription.bulk_handler`. It handles single events too."""

        def subscribe(bulk_handler: B) -> B:
            async def handler(session: AnySession, event: Event, version: int) -> None:
                await bulk_handler(session, [(event, version)])

            for event in events:
                self._by_key[event.routing_key] = Subscription(
                    self.service, event, handler, _always, bulk_handler
                )
            return bulk_handler

        return subscribe

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._by_key.values())

    def __getitem__(self, routing_key: str) -> Subscription:
        return self._by_key[routing_key]

    def retry_exchange(self, delay: int) -> str:
        """The name of the exchange, and of its queue, for messages that wait `delay` seconds."""
        return f"{self.service}.retry.{delay}s"


def load_subscriptions(package: str) -> Subscriptions:
    """The subscriptions of the service in `package`, such as `services.feed`."""
    subscriptions: Subscriptions = importlib.import_module(f"{package}.handlers").subscriptions
    return subscriptions
