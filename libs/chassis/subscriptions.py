"""Which events a service reacts to, and the names of the queues that bring them."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Subscription:
    service: str
    event: type[Event]
    handler: Handler[Any]
    concerns: Callable[[Any], bool]
    """Whether there is anything to do: an event with no effect needs no transaction."""

    @property
    def queue(self) -> str:
        return f"{self.service}.{self.event.routing_key}"

    @property
    def dead_queue(self) -> str:
        return f"{self.queue}.dead"


def _always(_: Event) -> bool:
    return True


class Subscriptions:
    """A service's reactions; `handlers.py` fills it by decorating each of its functions."""

    def __init__(self, service: str) -> None:
        self.service = service
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
