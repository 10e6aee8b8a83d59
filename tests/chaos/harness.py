"""The system under test, and the registry of faults.

A full run uses two instances: `parts` runs PostgreSQL, RabbitMQ and the object store, and `stack`
runs the services and the gateway, which use the parts as external infrastructure. So a fault can
stop, replace or slow down one part without a restart of the others. The short run (test_chaos.py)
uses one instance for both.
"""

import asyncio
import importlib
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

import aio_pika
import httpx

from bench.stack import devstack
from chassis.messaging.subscriptions import Subscription
from devstack import health
from devstack.instance import Instance, is_application
from devstack.repository import SERVICES
from operate import postgres
from operate.stored_events import has_handlers
from tests.journeys.company import Company

from .checker import CALM_SECONDS
from .history import Author, History
from .kubelet import Kubelet
from .load import Load
from .tcp_proxy import TcpProxy

READY_SECONDS = 300
_ATTEMPTS = 600
"""Maximum attempts of an administrator's call."""
_AGAIN_SECONDS = 0.5
_UP_TRIES = 3
_CONSUMING = tuple(filter(has_handlers, SERVICES))
_PUBLISHING = ("users", "tweets", "media")
_PENDING = "select id, routing_key from {source}.outbox where published_at is null"
_UNHANDLED = """
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
    """PostgreSQL, RabbitMQ and the store; in the short run the same instance as `stack`."""
    seed: str
    share: float = 1.0
    """Scales the number and the duration of faults; 1 is a full run."""
    store_proxy: TcpProxy | None = None
    """Between media and the store; None in the short run."""
    kubelet: Kubelet | None = None
    """Probes the processes; None unless the fault needs probes."""
    aside: ExitStack = field(default_factory=ExitStack)
    """What a fault leaves in place until the system is stopped, such as a promoted standby."""
    left: list[tuple[Author, History]] = field(default_factory=list)
    """The erased people, with the history of their load."""
    chance: Random = field(default_factory=Random)
    """Seeded anew for each fault, so that a fault alone runs as it does in a full run."""

    def times(self, whole: int) -> int:
        return max(1, round(whole * self.share))

    async def pause(self, seconds: float) -> None:
        """Waits while the load continues; at least one second, scaled by `share`."""
        await asyncio.sleep(max(1.0, seconds * self.share))

    async def settle(self, **settings: str) -> None:
        """Changes settings and restarts the processes that use them. Returns when all are ready."""
        self.stack.settings.update(settings)
        await self.up()
        await self.ready()

    async def up(self) -> None:
        """Runs `devstack up`; again if it times out, since what has started keeps running."""
        for _ in range(_UP_TRIES - 1):
            with suppress(subprocess.CalledProcessError):
                await asyncio.to_thread(devstack, "up", **self.stack.settings)
                return
        await asyncio.to_thread(devstack, "up", **self.stack.settings)

    def programs(self) -> list[str]:
        """The names of all processes of the services and of the gateway."""
        return sorted(p.name for p in self.stack.supervisor.processes() if is_application(p.name))

    async def ready(self, *programs: str) -> None:
        """Returns when these programs are ready; without arguments, all. Raises TimeoutError."""
        wanted = programs or (*self.programs(), "gateway")
        for program in wanted:
            url = self.stack.url(program)
            assert url is not None
            await asyncio.to_thread(health.wait_until_healthy, url, READY_SECONDS)

    async def kill(self, part: str) -> None:
        """Sends SIGKILL. Waits until the part runs, since the supervisor may be restarting it."""
        async with asyncio.timeout(READY_SECONDS):
            while not await asyncio.to_thread(self.parts.pid, part):
                await asyncio.sleep(0.1)
        await asyncio.to_thread(self.parts.kill, part)

    async def dead_letters(self) -> dict[str, int]:
        """The number of messages in each dead-letter queue that is not empty."""
        connection = await aio_pika.connect(self.parts.broker_url)
        lying = {}
        async with connection:
            for subscription in _subscriptions():
                channel = await connection.channel()
                queue = await channel.get_queue(subscription.dead_queue)
                if count := queue.declaration_result.message_count:
                    lying[subscription.dead_queue] = count
        return lying

    async def unhandled_events(self, patience: float = CALM_SECONDS) -> list[str]:
        """Finds events that stay unpublished, or that a subscribed service never handles."""
        deadline = time.monotonic() + patience
        while (found := await self._find_unhandled()) and time.monotonic() < deadline:
            await asyncio.sleep(1)
        return found

    async def _find_unhandled(self) -> list[str]:
        async with postgres.connect(self.stack.database()) as connection:
            found = []
            for source in _PUBLISHING:
                for row in await connection.fetch(_PENDING.format(source=source)):
                    found.append(f"lost: {source}:{row['id']}, {row['routing_key']}, unpublished")
                for subscription in _subscriptions():
                    key = subscription.event.routing_key
                    rows = await connection.fetch(
                        _UNHANDLED.format(source=source, service=subscription.service), key
                    )
                    found += [
                        f"lost: {source}:{row['id']}, {key}, for {subscription.service}"
                        for row in rows
                        if subscription.is_relevant(
                            subscription.event.model_validate_json(row["payload"])
                        )
                    ]
            return found


def _subscriptions() -> Iterator[Subscription]:
    for service in _CONSUMING:
        yield from importlib.import_module(f"services.{service}.handlers").subscriptions


async def insist(company: Company, method: str, path: str, **request: Any) -> Any:
    """Repeats a call of the administrator until it succeeds. Returns the body of the response, or
    None if no attempt succeeds."""
    for _ in range(_ATTEMPTS):
        with suppress(httpx.TransportError):
            response = await company.administrator.ask(method, path, **request)
            if response.is_success:
                return response.json()
        await asyncio.sleep(_AGAIN_SECONDS)
    return None


class Impossible(Exception):
    """The fault cannot be injected on this machine; the message says why."""


Break = Callable[[Bed, Load], Awaitable[int]]
"""Injects the fault repeatedly under load; returns how often."""

Check = Callable[[Bed], Awaitable[list[str]]]
"""Checks what the public API does not show, after the system has settled; returns findings."""


async def _nothing_more(_: Bed) -> list[str]:
    return []


Around = Callable[[Bed], AbstractAsyncContextManager[Instance]]
"""Prepares the system before the load starts; gives the instance whose gateway the load uses."""


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
"""By name, in the order of registration."""


def fault(
    broken: str, promised: str, *, check: Check = _nothing_more, around: Around = _as_it_is
) -> Callable[[Break], Break]:
    """Registers a function as a fault under the function's name.

    `broken` and `promised` are cells of the table: what is broken, and what the system promises.
    """

    def enter(run: Break) -> Break:
        name = run.__name__
        faults[name] = Fault(name, broken, promised, run, check, around)
        return run

    return enter
