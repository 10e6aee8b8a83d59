"""A process dies where a test asks for it, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chassis import failpoints

PASS = "from chassis.failpoints import reach\nfor _ in range(5): reach('here'); print('passed')"


def passing(**variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PASS],
        env={**os.environ, "PYTHONPATH": "libs", **variables},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_process_dies_where_it_comes_for_the_third_time() -> None:
    died = passing(WARBLE_FAILPOINTS="here:3,there:1")

    assert died.returncode == -9
    assert died.stderr == "failpoint here\n"


def test_without_the_variable_it_passes() -> None:
    assert passing().stdout == "passed\n" * 5


def test_where_no_tests_are_as_in_an_image_the_variable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(failpoints.FailpointsRefused):
        failpoints._dying("here:1", tmp_path / "tests")
