"""Processes of the services and the gateway are killed or restarted at random moments."""

import asyncio
from collections import Counter
from xmlrpc.client import Fault as Refusal

from devstack import health
from devstack.instance import Instance
from devstack.supervisor_client import NOT_RUNNING
from tests.chaos.harness import READY_SECONDS, Bed, fault
from tests.chaos.load import Load

KILLS = 150
"""Together with the deaths at failpoints: 200."""
_DOWN_AT_ONCE = 3
"""Maximum. If all processes were down, no write would be acknowledged that could get lost."""
_MAX_SECONDS_PER_KILL = 30


@fault(
    "`kill -9` of each process in turn",
    "what was acknowledged is there once; the process comes back",
)
async def killed_processes(bed: Bed, load: Load) -> int:
    wanted = bed.times(KILLS)
    killed: Counter[str] = Counter()
    programs, turn = bed.programs(), list[str]()
    async with asyncio.timeout(READY_SECONDS + _MAX_SECONDS_PER_KILL * wanted):
        while killed.total() < wanted:
            turn = turn or bed.chance.sample(programs, len(programs))
            down = await asyncio.to_thread(_down, bed.stack, programs)
            program = next((name for name in turn if name not in down), None)
            if program is None or len(down) >= _DOWN_AT_ONCE:
                await asyncio.sleep(0.2)
                continue
            turn.remove(program)
            killed[program] += await asyncio.to_thread(_kill, bed.stack, program)
            await asyncio.sleep(bed.chance.uniform(0.05, 1.0))
    counts = ", ".join(f"{program} {killed[program]}" for program in sorted(killed))
    load.history.notes.append(f"killed: {counts}")
    return killed.total()


@fault(
    "rolling restart of every service and worker, two replicas each (SIGTERM)",
    "no call fails; what was acknowledged is there once",
)
async def rolling_restart(bed: Bed, load: Load) -> int:
    programs = [program for program in bed.programs() if program != "gateway"]
    with load.history.unfailing("in a rolling restart"):
        for program in programs:
            await asyncio.to_thread(bed.stack.stop, program)
            await asyncio.to_thread(bed.stack.start, program, timeout=READY_SECONDS)
    return len(programs)


def _down(stack: Instance, programs: list[str]) -> set[str]:
    """The programs that do not serve, because they have not restarted yet."""
    return {program for program in programs if not health.is_alive(stack.url(program) or "")}


def _kill(stack: Instance, program: str) -> bool:
    try:
        stack.kill(program)
    except Refusal as refusal:
        if refusal.faultCode != NOT_RUNNING:
            raise
        return False
    return True
