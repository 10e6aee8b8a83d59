"""Which events a service reacts to, and the names of the queues that bring them."""

import importlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from .events import Event

RETRY_DELAYS = (1, 5, 30, 120)
"""Seconds that a failed message waits before its second, third, … and last try."""

DELIVERY_LIMIT = 20
"""Deliveries that end with no answer (the worker died) before the broker buries the message."""

E = TypeVar("E", bound=Event)
Handler = Callable[[AsyncSession, E, int], Awaitable[None]]
"""Takes the transaction, the event and its version. Handlers commute: see docs/adr/0004."""


def queue_name(service: str, routing_key: str) -> str:
    return f"{service}.{routing_key}"


def dead_name(queue: str) -> str:
    return f"{queue}.dead"


@dataclass(frozen=True)
class Subscription:
    service: str
    event: type[Event]
    handler: Handler[Any]
    concerns: Callable[[Any], bool]
    """Whether there is anything to do: an event with no effect needs no transaction."""

    @property
    def queue(self) -> str:
        return queue_name(self.service, self.event.routing_key)

    @property
    def dead_queue(self) -> str:
        return dead_name(self.queue)


def _always(_: Event) -> bool:
    return True


class Subscriptions:
    """A service's reactions; `handlers.py` fills it by decorating each of its functions.

    `sources` are the services whose events these are. `retired` are the routing keys of events that
    it reacts to no more: their queues, which would grow with nobody to read them, are deleted.
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
        """An event for which `when` is false is acknowledged at once; by default, none is."""

        def subscribe(handler: Handler[E]) -> Handler[E]:
            self._by_key[event.routing_key] = Subscription(self.service, event, handler, when)
            return handler

        return subscribe

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._by_key.values())

    def __getitem__(self, routing_key: str) -> Subscription:
        return self._by_key[routing_key]

    def retry_exchange(self, delay: int) -> str:
        return f"{self.service}.retry.{delay}s"


def subscriptions_of(package: str) -> Subscriptions | None:
    """The reactions of the service in this package, such as `services.feed`; None without any."""
    if find_spec(f"{package}.handlers") is None:
        return None
    found: Subscriptions = importlib.import_module(f"{package}.handlers").subscriptions
    return found
