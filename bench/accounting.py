"""How much processor time and memory processes have used, as the operating system counts it."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

PROC = Path("/proc")


def nanoseconds(pids: Iterable[int]) -> int:
    """On a processor, all threads of these processes together (the first field of schedstat)."""
    total = 0
    for pid in pids:
        for task in _listed(PROC / str(pid) / "task"):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total


def family(pid: int) -> list[int]:
    """The process and all that it started, in whatever depth."""
    children: dict[int, list[int]] = {}
    for entry in PROC.glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def memory(groups: Mapping[str, int]) -> dict[str, int]:
    """Bytes by group, each shared page divided among those who share it (PSS)."""
    return {name: sum(map(_proportional, family(pid))) for name, pid in groups.items()}


def _proportional(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


class Meter:
    """CPU time used by groups of processes between two looks.

    Families are looked up at both ends: a database starts processes as it needs them, and one that
    ends in between takes its time along, so connections are warm before a measurement.
    """

    def __init__(self, groups: Mapping[str, int], without: Collection[int] = ()) -> None:
        """`groups` are the pids of the first processes, by the name of the group.

        `without` are processes that do the bench's own work, such as a connection's backend.
        """
        self._groups = groups
        self._without = without
        self._begun = time.perf_counter()
        self._before = self._look()

    def _look(self) -> dict[str, int]:
        return {
            name: nanoseconds(one for one in family(pid) if one not in self._without)
            for name, pid in self._groups.items()
        }

    def used(self, rest: Mapping[str, float] | None = None) -> dict[str, float]:
        """Seconds by group since this meter was made; less what `rest` takes in as long a time.

        `rest` is in seconds a second, by group.
        """
        after = self._look()
        seconds = time.perf_counter() - self._begun
        return {
            name: max(
                0.0,
                (after[name] - self._before[name]) / 1e9 - (rest or {}).get(name, 0.0) * seconds,
            )
            for name in self._groups
        }


async def at_rest(groups: Mapping[str, int], seconds: float) -> dict[str, float]:
    """What the groups use while nobody asks for anything, in CPU seconds a second."""
    meter = Meter(groups)
    await asyncio.sleep(seconds)
    return {name: used / seconds for name, used in meter.used().items()}


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
