"""Starts and stops the system that is measured: a separate instance, empty at the beginning."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from devstack.instance import Instance
from devstack.repository import REPOSITORY, run_module
from devstack.status import memory_bytes

from . import resource_usage

SETTINGS = {
    "WARBLE_HOME": os.environ.get("WARBLE_BENCH_HOME", ".local/bench"),
    "WARBLE_PORT": os.environ.get("WARBLE_BENCH_PORT", "16000"),
    "WARBLE_ENV_FILE": "",
    # The limits would stop the load.
    "GATEWAY_RATE_LIMITS": "off",
}
HELLO = (80, 81)
"""Ports of the hello servers, as offsets from the instance's first port."""


def instance() -> Instance:
    return Instance(
        REPOSITORY / SETTINGS["WARBLE_HOME"], int(SETTINGS["WARBLE_PORT"]), {**SETTINGS}
    )


def devstack(*arguments: str, **settings: str) -> float:
    """Runs a command of devstack. Returns its duration in seconds."""
    return run("devstack", *arguments, **settings)


def run(module: str, *arguments: str, **settings: str) -> float:
    """Likewise `python -m` this module, such as `operate`."""
    started_at = time.perf_counter()
    run_module(module, *arguments, **{**SETTINGS, **settings})
    return time.perf_counter() - started_at


@contextmanager
def running(*, twice: bool) -> Iterator[dict[str, float]]:
    """Gives the seconds until the system is healthy; if `twice`, also those of a second start."""
    devstack("reset", YES="1")
    try:
        seconds = {"first_seconds": devstack("up")}
        if twice:
            devstack("down")
            seconds["again_seconds"] = devstack("up")
        yield seconds
    finally:
        devstack("down")


def pids(system: Instance) -> dict[str, int]:
    """The pid of each program, by name."""
    return {one.name: one.pid for one in system.supervisor.processes() if one.pid}


def memory(system: Instance) -> dict[str, int]:
    """Bytes by program (PSS), with those of supervisord, which shares pages with its children."""
    return {
        **resource_usage.memory(pids(system)),
        "supervisor": memory_bytes(system.supervisor.pid(), with_descendants=False) or 0,
    }


def read_pids(system: Instance) -> dict[str, int]:
    """The pids of the programs that take part in a read."""
    return {
        name: pid
        for name, pid in pids(system).items()
        if name in ("gateway", "postgres") or "-api-" in name
    }
