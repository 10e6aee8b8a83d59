"""Processes of ours die: any of them, at any moment."""

import asyncio
from collections import Counter
from xmlrpc.client import Fault as Refusal

from deploy.local import health
from deploy.local.instance import Instance
from deploy.local.supervisor import NOT_RUNNING
from tests.chaos.bed import READY_SECONDS, Bed, fault
from tests.chaos.load import Load

KILLS = 150
"""With the deaths at failpoints, 200."""
_MOST_SECONDS = 30


@fault(
    "`kill -9` of each process in turn",
    "what was acknowledged is there once; the process comes back",
)
async def killed_processes(bed: Bed, load: Load) -> int:
    wanted = bed.times(KILLS)
    killed: Counter[str] = Counter()
    async with asyncio.timeout(READY_SECONDS + _MOST_SECONDS * wanted):
        while killed.total() < wanted:
            programs = bed.programs()
            bed.chance.shuffle(programs)
            for program in programs[: wanted - killed.total()]:
                await asyncio.sleep(bed.chance.uniform(0.05, 1.0))
                killed[program] += await asyncio.to_thread(_kill, bed.stack, program)
    told = ", ".join(f"{program} {killed[program]}" for program in sorted(killed))
    load.history.notes.append(f"killed: {told}")
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


def _kill(stack: Instance, program: str) -> bool:
    """Whether it was back since the last time."""
    url = stack.url(program)
    if url is None or not health.is_ready(url):
        return False
    try:
        stack.kill(program)
    except Refusal as refusal:
        if refusal.faultCode != NOT_RUNNING:
            raise
        return False
    return True
