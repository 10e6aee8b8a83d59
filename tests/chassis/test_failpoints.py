"""A failpoint kills the process where a test requests it, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chassis import failpoints

PROGRAM = """
from chassis import failpoints
failpoints.configure()
for _ in range(5):
    failpoints.reach('here')
    print('passed')
"""


def run(**variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": "libs", **variables},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_process_is_killed_when_it_reaches_a_failpoint_for_the_third_time() -> None:
    killed = run(WARBLE_FAILPOINTS="here:3,there:1")

    assert killed.returncode == -9
    assert killed.stderr == "failpoint here\n"


def test_without_the_variable_failpoints_do_nothing() -> None:
    assert run().stdout == "passed\n" * 5


def test_outside_a_checkout_the_variable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(failpoints.FailpointsRefused):
        failpoints._killer("here:1", tmp_path / "tests")
