"""Points in the code at which a test kills the process, as a power failure would.

`WARBLE_FAILPOINTS=relay.published:40` kills the process when it reaches that point for the 40th
time. This works in a checkout only: images contain no tests, and a process in an image refuses to
start if the variable is set.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

VARIABLE = "WARBLE_FAILPOINTS"
_CHAOS_TESTS = Path(__file__).parents[2] / "tests" / "chaos"


class FailpointsRefused(Exception):
    """The variable is set, but this is not a checkout with tests."""


def _do_nothing(point: str) -> None:
    pass


def _killer(specification: str, chaos_tests: Path = _CHAOS_TESTS) -> Callable[[str], None]:
    """Gives the function that kills the process. `specification` is such as `here:3,there:1`."""
    if not chaos_tests.is_dir():
        raise FailpointsRefused(f"{VARIABLE} is only for tests: unset it.")
    passes_left = {
        point: int(count)
        for point, _, count in (part.partition(":") for part in specification.split(","))
    }

    def reach(point: str) -> None:
        if point not in passes_left:
            return
        passes_left[point] -= 1
        if passes_left[point] == 0:
            sys.stderr.write(f"failpoint {point}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


reach: Callable[[str], None] = _do_nothing
"""Code calls `failpoints.reach("relay.published")` at such a point."""


def configure() -> None:
    """Reads the variable when a process starts. Raises FailpointsRefused.

    Not when this module is imported: supervisord does that, for processes with environments of
    their own (devstack/forking_supervisord.py).
    """
    global reach  # noqa: PLW0603  failpoints concern the whole process
    if specification := os.environ.get(VARIABLE):
        reach = _killer(specification)
