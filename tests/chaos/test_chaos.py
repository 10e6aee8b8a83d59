"""The short run: some of each fault in one trial. `make chaos` is the long one."""

import secrets

import pytest

from deploy.local.instance import Instance

from .bed import Bed, Fault
from .faults import broker, database, failpoints, processes
from .history import Outcome
from .leaving import LEAVING, still_there
from .load import Load
from .trial import undergo

SHARE = 0.01


async def _some_of_each(bed: Bed, load: Load) -> int:
    times = 0
    for break_it in (
        processes.killed_processes,
        failpoints.failpoints_reached,
        database.connections_cut,
        database.database_killed,
        broker.broker_killed,
    ):
        times += await break_it(bed, load)
        await bed.ready()
    return times


# Every process that dies has to come up again, which takes long on a machine that is busy; and what
# comes late from an erased person is taken away five minutes later.
@pytest.mark.slow
@pytest.mark.exclusive
@pytest.mark.timeout(1800)
async def test_whatever_dies_what_was_acknowledged_is_there_once(
    database_alone: None, stack: Instance
) -> None:
    seed = secrets.token_hex(4)
    bed = Bed(stack, stack, seed, SHARE)

    row = await undergo(bed, Fault("short", "some of each", "nothing is lost", _some_of_each))

    assert row.findings == [], f"seed {seed}"
    assert row.times
    assert row.history.writes[Outcome.done]
    assert await still_there(bed) == []
    assert len(bed.left) == LEAVING
