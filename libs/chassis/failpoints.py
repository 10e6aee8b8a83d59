"""Places where a test has a process die at once, as a power cut would have it.

`WARBLE_FAILPOINTS=relay.published:40` ends the process when it comes to that place for the 40th
time. It works in a checkout only: images hold no tests, and refuse to start with it.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

VARIABLE = "WARBLE_FAILPOINTS"
_TEST_BED = Path(__file__).parents[2] / "tests" / "chaos"


class FailpointsRefused(Exception):
    """The variable is set where no test bed is."""


def _nothing(place: str) -> None:
    pass


def _dying(asked: str, test_bed: Path = _TEST_BED) -> Callable[[str], None]:
    if not test_bed.is_dir():
        raise FailpointsRefused(f"{VARIABLE} is for tests: unset it.")
    left = {place: int(count) for place, _, count in (s.partition(":") for s in asked.split(","))}

    def reach(place: str) -> None:
        if place not in left:
            return
        left[place] -= 1
        if left[place] == 0:
            sys.stderr.write(f"failpoint {place}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


reach = _dying(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else _nothing
