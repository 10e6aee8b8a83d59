"""RabbitMQ dies, hangs, takes nothing, forgets its queues. Writes go on meanwhile."""

import asyncio
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import aio_pika

from bench.stack import local
from chassis.broker import DECLARE_SECONDS
from chassis.events import EXCHANGE
from deploy.local.instance import Instance
from tests.chaos.bed import Bed, fault
from tests.chaos.load import Load

AWAY_SECONDS = 15
HUNG_SECONDS = 45
"""More than the 33 s after which the driver gives up a broker that is silent."""
_AWAY = "while the broker was away"
_ACCEPTED = "writes are accepted meanwhile, and arrive when it is back"


@fault("RabbitMQ killed (`kill -9`)", _ACCEPTED)
async def broker_killed(bed: Bed, load: Load) -> int:
    times = bed.times(5)
    with load.history.unfailing(_AWAY):
        for _ in range(times):
            await bed.kill("rabbitmq")
            await bed.pause(12)
    return times


@fault(f"RabbitMQ stopped for {AWAY_SECONDS} s", _ACCEPTED)
async def broker_away(bed: Bed, load: Load) -> int:
    times = bed.times(2)
    with load.history.unfailing(_AWAY):
        for _ in range(times):
            await asyncio.to_thread(bed.parts.stop, "rabbitmq")
            await bed.pause(AWAY_SECONDS)
            await asyncio.to_thread(bed.parts.start, "rabbitmq")
            await bed.pause(5)
    return times


@fault(f"RabbitMQ hangs for {HUNG_SECONDS} s (SIGSTOP)", _ACCEPTED)
async def broker_hung(bed: Bed, load: Load) -> int:
    times = bed.times(2)
    with load.history.unfailing(_AWAY):
        for _ in range(times):
            broker = bed.parts.pid("rabbitmq")
            os.kill(broker, signal.SIGSTOP)
            await asyncio.sleep(HUNG_SECONDS)
            os.kill(broker, signal.SIGCONT)
            await bed.pause(5)
    return times


@fault("RabbitMQ's memory alarm for 15 s: publishers are blocked", _ACCEPTED)
async def broker_full(bed: Bed, load: Load) -> int:
    times = bed.times(2)
    with load.history.unfailing(_AWAY):
        for _ in range(times):
            await _has_memory(bed, "1MB")
            await bed.pause(15)
            await _has_memory(bed, "512MB")
            await bed.pause(5)
    return times


@fault("RabbitMQ killed (`kill -9`) within a memory alarm", _ACCEPTED)
async def broker_killed_when_full(bed: Bed, load: Load) -> int:
    """What it has blocked is told by nobody that it may go on."""
    times = bed.times(2)
    with load.history.unfailing(_AWAY):
        for _ in range(times):
            await _has_memory(bed, "1MB")
            await bed.pause(15)
            await bed.kill("rabbitmq")
            await bed.pause(15)
    return times


async def _has_memory(bed: Bed, most: str) -> None:
    """Less than it uses raises its alarm, more ends it."""
    await control(plan_of(bed.parts), "set_vm_memory_high_watermark", "absolute", most)


@dataclass(frozen=True)
class Plan:
    """How a node is started."""

    command: list[str]
    environment: dict[str, str]
    directory: Path


def plan_of(parts: Instance) -> Plan:
    """Of the instance's own broker."""
    plan = json.loads((parts.root / "run" / "programs" / "rabbitmq.json").read_text())
    return Plan(plan["command"], plan["environment"], Path(plan["directory"]))


async def control(plan: Plan, *words: str, tool: str = "rabbitmqctl") -> None:
    """What an operator does, with the node's own environment. Raises RuntimeError."""
    asked = await asyncio.create_subprocess_exec(
        Path(plan.command[0]).with_name(tool),
        *words,
        env=plan.environment,
        cwd=plan.directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asked.communicate()
    if asked.returncode:
        raise RuntimeError(said.decode())


@fault(
    "a queue of feed's deleted, and a binding",
    f"made anew within {DECLARE_SECONDS} s; `make missed` brings in what was lost",
)
async def queue_deleted(bed: Bed, load: Load) -> int:
    times = bed.times(3)
    async with await aio_pika.connect(bed.parts.broker_url) as connection:
        for _ in range(times):
            channel = await connection.channel()
            await channel.queue_delete("feed.tweet.liked.v1")
            # media's queue goes on to take these, so that no relay notices.
            bound = await channel.get_queue("feed.tweet.deleted.v1")
            await bound.unbind(EXCHANGE, "tweet.deleted.v1")
            await bed.pause(10)
    # By then each worker has looked once more.
    await asyncio.sleep(DECLARE_SECONDS * 1.5)
    await asyncio.to_thread(local, "missed", "feed", **bed.stack.given)
    return times * 2
