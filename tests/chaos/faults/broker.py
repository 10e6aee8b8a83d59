"""RabbitMQ is killed, hangs, blocks publishers, or loses a queue. Writes continue meanwhile."""

import asyncio
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import aio_pika

from bench.stack import run
from chassis.messaging.broker import DECLARE_INTERVAL_SECONDS
from chassis.messaging.events import EXCHANGE
from devstack.instance import Instance
from tests.chaos.harness import Bed, fault
from tests.chaos.load import Load

AWAY_SECONDS = 15
HUNG_SECONDS = 45
"""Longer than the 33 s after which the driver closes a connection to a silent broker."""
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
            await _limit_memory(bed, "1MB")
            await bed.pause(15)
            await _limit_memory(bed, "512MB")
            await bed.pause(5)
    return times


@fault("RabbitMQ killed (`kill -9`) during a memory alarm", _ACCEPTED)
async def broker_killed_when_full(bed: Bed, load: Load) -> int:
    """The killed broker never sends `connection.unblocked` to the publishers that it blocked."""
    times = bed.times(2)
    with load.history.unfailing(_AWAY):
        for _ in range(times):
            await _limit_memory(bed, "1MB")
            await bed.pause(15)
            await bed.kill("rabbitmq")
            await bed.pause(15)
    return times


async def _limit_memory(bed: Bed, limit: str) -> None:
    """A limit below the memory in use raises the alarm; a higher one clears it."""
    await control(plan_of(bed.parts), "set_vm_memory_high_watermark", "absolute", limit)


@dataclass(frozen=True)
class Plan:
    """The command, environment and working directory that start a node."""

    command: list[str]
    environment: dict[str, str]
    directory: Path


def plan_of(parts: Instance) -> Plan:
    """The plan of the instance's embedded broker."""
    plan = json.loads((parts.root / "run" / "programs" / "rabbitmq.json").read_text())
    return Plan(plan["command"], plan["environment"], Path(plan["directory"]))


async def control(plan: Plan, *words: str, tool: str = "rabbitmqctl") -> None:
    """Runs a RabbitMQ tool with the node's environment. Raises RuntimeError with its output."""
    process = await asyncio.create_subprocess_exec(
        Path(plan.command[0]).with_name(tool),
        *words,
        env=plan.environment,
        cwd=plan.directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(output.decode())


@fault(
    "a queue and a binding of feed deleted",
    f"declared again within {DECLARE_INTERVAL_SECONDS} s; `make backfill` applies the lost events",
)
async def queue_deleted(bed: Bed, load: Load) -> int:
    times = bed.times(3)
    async with await aio_pika.connect(bed.parts.broker_url) as connection:
        for _ in range(times):
            channel = await connection.channel()
            await channel.queue_delete("feed.tweet.liked.v1")
            # The queue of media still gets these events, so they are not returned as unroutable.
            bound = await channel.get_queue("feed.tweet.deleted.v1")
            await bound.unbind(EXCHANGE, "tweet.deleted.v1")
            await bed.pause(10)
    # After this time each worker has declared its queues again.
    await asyncio.sleep(DECLARE_INTERVAL_SECONDS * 1.5)
    await asyncio.to_thread(run, "operate", "backfill", "feed", **bed.stack.settings)
    return times * 2
