"""A rebuilt projection replaces the serving one while people use it."""

import asyncio
import subprocess
import sys

import pytest

from devstack.instance import Instance
from devstack.repository import REPOSITORY
from tests.conftest import SETTINGS

from .company import Company
from .load import crowd_of


async def _rebuild(stack: Instance) -> tuple[int, str]:
    """The exit code and the output of `make rebuild SERVICE=feed`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "devstack", "rebuild", "feed",
        cwd=REPOSITORY,
        env={**stack.settings, **SETTINGS, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.exclusive
async def test_a_rebuilt_feed_is_the_same_and_nobody_who_reads_or_writes_is_disturbed(
    company: Company, stack: Instance
) -> None:
    crowd = await crowd_of(company, 4)

    async with crowd.busy():
        code, output = await _rebuild(stack)

    assert code == 0, output
    assert "the rebuilt copy now serves" in output
    assert "the old and the new copy had the same rows" in output
    await crowd.read_what_was_written()
