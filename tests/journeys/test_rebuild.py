"""A rebuilt projection replaces the serving one while people use it."""

from pathlib import Path

import pytest

from devstack.instance import Instance

from .company import Company
from .load import crowd_of
from .operate import as_in_a_container, operate


@pytest.mark.slow
@pytest.mark.exclusive
@pytest.mark.parametrize("service", ["feed", "notifications"])
async def test_a_rebuilt_projection_is_the_same_and_nobody_who_reads_or_writes_is_disturbed(
    company: Company, stack: Instance, tmp_path: Path, service: str
) -> None:
    crowd = await crowd_of(company, 4)

    async with crowd.busy():
        environment = as_in_a_container(stack, tmp_path)
        code, output = await operate(environment, "rebuild", service)

    assert code == 0, output
    assert "the rebuilt copy now serves" in output
    assert "the old and the new copy had the same rows" in output
    await crowd.read_what_was_written()
