"""Processes of ours die: any of them, at any moment."""

import asyncio
from xmlrpc.client import Fault as Refusal

from deploy.local.instance import Instance
from deploy.local.supervisor import NOT_RUNNING
from tests.chaos.bed import READY_SECONDS, Bed, fault
from tests.chaos.load import Load


@fault(
    "`kill -9` of each process in turn",
    "what was acknowledged is there once; the process comes back",
)
async def killed_processes(bed: Bed, load: Load) -> int:
    wanted = bed.times(200)
    killed = 0
    while killed < wanted:
        programs = bed.programs()
        bed.chance.shuffle(programs)
        for program in programs[: wanted - killed]:
            await asyncio.sleep(bed.chance.uniform(0.05, 1.0))
            killed += await asyncio.to_thread(_kill, bed.stack, program)
        await bed.ready()
    return killed


@fault(
    "rolling restart of every service and worker, two replicas each (SIGTERM)",
    "no call fails; what was acknowledged is there once",
)
async def rolling_restart(bed: Bed, load: Load) -> int:
    times = bed.times(3)
    programs = [program for program in bed.programs() if program != "gateway"]
    with load.history.unfailing("in a rolling restart"):
        for _ in range(times):
            for program in programs:
                await asyncio.to_thread(bed.stack.stop, program)
                await asyncio.to_thread(bed.stack.start, program, timeout=READY_SECONDS)
    return times * len(programs)


def _kill(stack: Instance, program: str) -> bool:
    try:
        stack.kill(program)
    except Refusal as refusal:
        # It has not come back since the last time.
        if refusal.faultCode != NOT_RUNNING:
            raise
        return False
    return True
