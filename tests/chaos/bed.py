"""The system under test, with the parts that it needs kept apart: so that each can be broken."""

import asyncio
import importlib
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

import aio_pika

from bench.stack import local
from chassis.subscriptions import Subscription
from deploy.local import health, postgres
from deploy.local.instance import Instance, is_ours

from .checker import CALM_SECONDS
from .history import Author, History
from .kubelet import Kubelet
from .load import Load
from .wire import Wire

READY_SECONDS = 300
_UP_TRIES = 3
_CONSUMING = ("tweets", "media", "feed")
_PUBLISHING = ("users", "tweets", "media")
_PENDING = "select id, routing_key from {source}.outbox where published_at is null"
_UNHEARD = """
select id, payload from {source}.outbox where routing_key = $1 and not exists (
    select from {service}.inbox where inbox.source = '{source}' and inbox.id = outbox.id
)
"""

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
    kubelet: Kubelet | None = None
    """What probes the processes, where a fault has them probed."""
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

    async def kill(self, part: str) -> None:
        """`kill -9`, once it runs: the supervisor starts it again, and may be slow at that."""
        async with asyncio.timeout(READY_SECONDS):
            while not await asyncio.to_thread(self.parts.pid, part):
                await asyncio.sleep(0.1)
        await asyncio.to_thread(self.parts.kill, part)

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

    async def unheard(self, patience: float = CALM_SECONDS) -> list[str]:
        """Events that stay unpublished, or that a service which reacts to them never takes in."""
        deadline = time.monotonic() + patience
        while (found := await self._unheard()) and time.monotonic() < deadline:
            await asyncio.sleep(1)
        return found

    async def _unheard(self) -> list[str]:
        async with postgres.connected(self.stack.database()) as connection:
            found = []
            for source in _PUBLISHING:
                for row in await connection.fetch(_PENDING.format(source=source)):
                    found.append(f"lost: {source}:{row['id']}, {row['routing_key']}, unpublished")
                for subscription in _subscriptions():
                    key = subscription.event.routing_key
                    rows = await connection.fetch(
                        _UNHEARD.format(source=source, service=subscription.service), key
                    )
                    found += [
                        f"lost: {source}:{row['id']}, {key}, for {subscription.service}"
                        for row in rows
                        if subscription.concerns(
                            subscription.event.model_validate_json(row["payload"])
                        )
                    ]
            return found


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


Around = Callable[[Bed], AbstractAsyncContextManager[Instance]]
"""Prepares the system for a fault, before the load begins; gives the address that people use."""


@asynccontextmanager
async def _as_it_is(bed: Bed) -> AsyncIterator[Instance]:
    yield bed.stack


@dataclass(frozen=True)
class Fault:
    name: str
    broken: str
    promised: str
    run: Break
    check: Check = _nothing_more
    around: Around = _as_it_is


faults: dict[str, Fault] = {}
"""By name, in the order of the table."""


def fault(
    broken: str, promised: str, *, check: Check = _nothing_more, around: Around = _as_it_is
) -> Callable[[Break], Break]:
    """Makes a function a row of the table, under the function's name."""

    def enter(run: Break) -> Break:
        name = run.__name__
        faults[name] = Fault(name, broken, promised, run, check, around)
        return run

    return enter
