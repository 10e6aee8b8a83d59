"""CPU time and memory of processes, as the operating system counts them."""

import asyncio
import contextlib
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import psutil

from devstack.status import memory_bytes

PROC = Path("/proc")


def cpu_nanoseconds(pids: Iterable[int]) -> int:
    """CPU time of all threads of these processes (the first field of schedstat).

    psutil's `cpu_times` has a resolution of 10 ms only.
    """
    total = 0
    for pid in pids:
        for task in (PROC / str(pid) / "task").glob("*"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += int((task / "schedstat").read_text().split()[0])
    return total


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return [pid]


def memory(groups: Mapping[str, int]) -> dict[str, int]:
    """Bytes by group."""
    return {name: memory_bytes(pid) or 0 for name, pid in groups.items()}


class CpuMeter:
    """The CPU time that groups of processes use from the creation of this object on.

    The descendants are listed at the beginning and at the end, because a database starts processes
    as it needs them. The time of a process that ends in between is lost, so connections must be
    open before a measurement.
    """

    def __init__(self, groups: Mapping[str, int], without: Collection[int] = ()) -> None:
        """`groups` maps names to pids; the descendants of each process count too.

        `without` are processes that work for the benchmark itself, such as a connection's backend.
        """
        self._groups = groups
        self._without = without
        self._started_at = time.perf_counter()
        self._before = self._read()

    def _read(self) -> dict[str, int]:
        return {
            name: cpu_nanoseconds(one for one in family(pid) if one not in self._without)
            for name, pid in self._groups.items()
        }

    def used(self, rest: Mapping[str, float] | None = None) -> dict[str, float]:
        """CPU seconds by group since the creation of this object.

        `rest` is the use of an idle system, in CPU seconds per second by group; it is subtracted.
        """
        # Both times are taken before a reading, which takes as long at the end as at the beginning.
        seconds = time.perf_counter() - self._started_at
        after = self._read()
        return {
            name: max(
                0.0,
                (after[name] - self._before[name]) / 1e9 - (rest or {}).get(name, 0.0) * seconds,
            )
            for name in self._groups
        }


async def cpu_at_rest(groups: Mapping[str, int], seconds: float) -> dict[str, float]:
    """CPU seconds per second that the groups use without any requests."""
    meter = CpuMeter(groups)
    await asyncio.sleep(seconds)
    return {name: used / seconds for name, used in meter.used().items()}
