"""The system under test, with the parts that it needs kept apart: so that each can be broken."""

import asyncio
import importlib
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

import aio_pika

from bench.stack import local
from chassis.subscriptions import Subscription
from deploy.local import health
from deploy.local.instance import Instance, is_ours

from .history import Author, History
from .load import Load
from .wire import Wire

READY_SECONDS = 300
_UP_TRIES = 3
_CONSUMING = ("tweets", "media", "feed")

T = TypeVar("T")


@dataclass
class Bed:
    stack: Instance
    """The services and the gateway."""
    parts: Instance
    """PostgreSQL, RabbitMQ and the store; the same instance where nobody takes them apart."""
    seed: str
    share: float = 1.0
    """Of the faults and seconds that a whole run has."""
    wire: Wire | None = None
    """Between media and the store, where there is one."""
    aside: ExitStack = field(default_factory=ExitStack)
    """What has to stay as it is until the system is stopped."""
    left: list[tuple[Author, History]] = field(default_factory=list)
    """Who was erased, and what is known of them."""
    chance: Random = field(default_factory=Random)
    """Seeded anew for each fault: so that one of them alone goes as it does among the others."""

    def times(self, whole: int) -> int:
        return max(1, round(whole * self.share))

    async def pause(self, seconds: float) -> None:
        """Lets the load go on for a while. Shorter in a short run."""
        await asyncio.sleep(max(1.0, seconds * self.share))

    async def settle(self, **settings: str) -> None:
        """The system goes on with these settings as well, each process that has them begun anew."""
        self.stack.given.update(settings)
        await self.up()
        await self.ready()

    async def up(self) -> None:
        """Asks again where it takes longer than `make up` waits: what has begun goes on."""
        for _ in range(_UP_TRIES - 1):
            with suppress(subprocess.CalledProcessError):
                await asyncio.to_thread(local, "up", **self.stack.given)
                return
        await asyncio.to_thread(local, "up", **self.stack.given)

    def programs(self) -> list[str]:
        """Every process of ours."""
        return sorted(p.name for p in self.stack.supervisor.processes() if is_ours(p.name))

    async def ready(self, *programs: str) -> None:
        """Returns when these, or all, are ready. Raises TimeoutError."""
        wanted = programs or (*self.programs(), "gateway")
        for program in wanted:
            url = self.stack.url(program)
            assert url is not None
            await asyncio.to_thread(health.wait_for, url, READY_SECONDS)

    async def dead_letters(self) -> dict[str, int]:
        """How many lie in each queue that has any."""
        connection = await aio_pika.connect(self.parts.broker_url)
        lying = {}
        async with connection:
            for subscription in _subscriptions():
                channel = await connection.channel()
                queue = await channel.get_queue(subscription.dead_queue)
                if count := queue.declaration_result.message_count:
                    lying[subscription.dead_queue] = count
        return lying


def _subscriptions() -> Iterator[Subscription]:
    for service in _CONSUMING:
        yield from importlib.import_module(f"services.{service}.handlers").subscriptions


class Impossible(Exception):
    """This cannot be broken on this machine; the message says why."""


Break = Callable[[Bed, Load], Awaitable[int]]
"""Breaks something again and again under the load; gives how often."""

Check = Callable[[Bed], Awaitable[list[str]]]
"""Looks for more than the public API shows, once all is calm; gives what is wrong."""


async def _nothing_more(_: Bed) -> list[str]:
    return []


@dataclass(frozen=True)
class Fault:
    name: str
    broken: str
    promised: str
    run: Break
    check: Check = _nothing_more


faults: dict[str, Fault] = {}
"""By name, in the order of the table."""


def fault(broken: str, promised: str, *, check: Check = _nothing_more) -> Callable[[Break], Break]:
    """Makes a function a row of the table, under the function's name."""

    def enter(run: Break) -> Break:
        name = run.__name__
        faults[name] = Fault(name, broken, promised, run, check)
        return run

    return enter
