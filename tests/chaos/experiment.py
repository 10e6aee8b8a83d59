"""Injects one fault under load, then runs the checker: one row of the table.

The load writes and reads the whole time, two hundred streams are open, and some of the load's
people are erased or deactivated meanwhile. When the fault is over, the system must become ready,
the load stops, and the checker compares. Besides, no event may stay unpublished or unhandled, every
stream must have got what the log of notices has for it, and no dead letter may be added.
"""

import asyncio
from dataclasses import dataclass, field
from random import Random

from .absences import take_turns
from .checker import check
from .erasures import leave
from .harness import Bed, Fault
from .history import History, Outcome
from .load import hired
from .streams import streaming


@dataclass
class Row:
    fault: Fault
    times: int
    history: History
    findings: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not self.findings

    def count(self, kind: str) -> int:
        return sum(finding.startswith(f"{kind}:") for finding in self.findings)


async def undergo(bed: Bed, fault: Fault) -> Row:
    """Injects `fault` while the load runs, waits until the system is ready, and checks."""
    seed = f"{bed.seed}:{fault.name}"
    bed.chance.seed(seed)
    before = await bed.dead_letters()
    async with (
        fault.around(bed) as stack,
        hired(stack, seed, with_moderator=True) as load,
        streaming(stack, load.history) as streams,
    ):
        async with load.running():
            await bed.pause(2)
            leaving = asyncio.create_task(leave(bed, load, Random(f"{seed}:leaving")))
            absent = asyncio.create_task(take_turns(bed, load, Random(f"{seed}:absent")))
            times = await fault.run(bed, load)
            await leaving
            await absent
            await bed.ready()
            await bed.pause(2)
        if busy := load.history.busy:
            load.history.notes.append(f"{busy} uploads were refused: not decoded within 25 s")
        row = Row(fault, times, load.history)
        row.findings = await check(bed.stack, load.api, load.history)
        row.findings += await bed.unhandled_events()
        row.findings += await streams.findings()
        row.findings += await fault.check(bed)
    after = await bed.dead_letters()
    row.findings += [
        f"dead letters: {count} more in {queue}"
        for queue, count in after.items()
        if count > before.get(queue, 0)
    ]
    return row


def seen(row: Row) -> str:
    return "as promised" if row.right else f"{len(row.findings)} findings"


def cells(row: Row) -> list[str]:
    """The cells of the row, in the order of `COLUMNS`."""
    writes = row.history.writes
    return [
        row.fault.broken,
        str(row.times),
        str(writes[Outcome.done]),
        str(writes[Outcome.unknown]),
        str(writes[Outcome.refused]),
        f"{row.history.slowest:.1f} s",
        row.fault.promised,
        seen(row),
    ]


COLUMNS = [
    "fault", "times", "acknowledged", "unknown", "refused", "longest wait", "promised", "result",
]  # fmt: skip
