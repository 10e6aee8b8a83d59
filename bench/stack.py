"""The system that is measured: an instance of its own, empty at the beginning."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.instance import Instance
from deploy.local.places import REPOSITORY

SETTINGS = {
    "WARBLE_HOME": os.environ.get("WARBLE_BENCH_HOME", ".local/bench"),
    "WARBLE_PORT": os.environ.get("WARBLE_BENCH_PORT", "16000"),
    "WARBLE_ENV_FILE": "",
    # What is measured is what a request costs, not how many somebody may ask.
    "GATEWAY_RATE_LIMITS": "off",
}
HELLO, FRONT, BACK, SAMPLED = (70, 71), 72, 73, (74, 75)
"""Ports of what is measured beside it, from the instance's first."""


def instance() -> Instance:
    return Instance(
        REPOSITORY / SETTINGS["WARBLE_HOME"], int(SETTINGS["WARBLE_PORT"]), {**SETTINGS}
    )


def local(*arguments: str, **settings: str) -> float:
    """Runs what `make` runs, and gives how many seconds it took. What it says is said."""
    command = [sys.executable, "-m", "deploy.local", *arguments]
    environment = {**os.environ, **SETTINGS, **settings}
    begun = time.perf_counter()
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True)
    return time.perf_counter() - begun


@contextmanager
def running(*, twice: bool) -> Iterator[dict[str, float]]:
    """Gives how many seconds it took from nothing to a healthy system; and, `twice`, once more."""
    local("reset", YES="1")
    try:
        seconds = {"first_seconds": local("up")}
        if twice:
            local("down")
            seconds["again_seconds"] = local("up")
        yield seconds
    finally:
        local("down")


def pids(system: Instance) -> dict[str, int]:
    """The first process of each part, by the part's name."""
    return {one.name: one.pid for one in system.supervisor.processes() if one.pid}


def readers(system: Instance) -> dict[str, int]:
    """The parts that have to do with a read."""
    return {
        name: pid
        for name, pid in pids(system).items()
        if name in ("gateway", "postgres") or "-api-" in name
    }
