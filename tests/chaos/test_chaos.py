"""A short run: a few faults of several kinds under one load. `make chaos` is the full run."""

import secrets

import pytest

from devstack.instance import Instance

from .erasures import LEAVING, still_there
from .experiment import undergo
from .faults import broker, database, failpoints, processes
from .harness import Bed, Fault
from .history import Outcome
from .load import Load

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


# Every killed process has to start again, which takes long on a busy machine. The data that arrives
# late from an erased person is deleted five minutes later.
@pytest.mark.slow
@pytest.mark.exclusive
@pytest.mark.timeout(1800)
async def test_whatever_dies_what_was_acknowledged_is_there_once(stack: Instance) -> None:
    seed = secrets.token_hex(4)
    bed = Bed(stack, stack, seed, SHARE)

    row = await undergo(bed, Fault("short", "some of each", "nothing is lost", _some_of_each))

    assert row.findings == [], f"seed {seed}"
    assert row.times
    assert row.history.writes[Outcome.done]
    assert await still_there(bed) == []
    assert len(bed.left) == LEAVING
