"""How much processor time processes have used, as the operating system counts it."""

from collections.abc import Iterable, Mapping
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


def resident_bytes(pid: int) -> int:
    """Memory of this process that no other shares (PSS where the kernel tells it)."""
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return 0


class Meter:
    """CPU time used by groups of processes between two looks.

    Families are looked up at both ends: a database starts processes as it needs them, and one that
    ends in between takes its time along, so connections are warm before a measurement.
    """

    def __init__(self, groups: Mapping[str, int]) -> None:
        """`groups` are the pids of the first processes, by the name of the group."""
        self._groups = groups
        self._before = self._look()

    def _look(self) -> dict[str, int]:
        return {name: nanoseconds(family(pid)) for name, pid in self._groups.items()}

    def used(self) -> dict[str, float]:
        """Seconds by group since this meter was made."""
        after = self._look()
        return {name: (after[name] - self._before[name]) / 1e9 for name in self._groups}


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
