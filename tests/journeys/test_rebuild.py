"""A projection that is made anew takes the place of the one that serves, while people use it."""

import asyncio
import subprocess
import sys

import pytest

from deploy.local.instance import Instance
from deploy.local.places import REPOSITORY
from tests.conftest import SETTINGS

from .company import Company
from .crowd import crowd_of


async def _rebuild(stack: Instance) -> tuple[int, str]:
    """What `make rebuild SERVICE=feed` ends with, and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.local", "rebuild", "feed",
        cwd=REPOSITORY,
        env={**stack.given, **SETTINGS, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.exclusive
async def test_a_rebuilt_feed_is_the_same_and_nobody_who_reads_or_writes_is_disturbed(
    company: Company, stack: Instance
) -> None:
    crowd = await crowd_of(company, 4)

    async with crowd.busy():
        code, said = await _rebuild(stack)

    assert code == 0, said
    assert "the copy serves" in said
    assert "the two were the same in every row" in said
    await crowd.read_what_was_written()
