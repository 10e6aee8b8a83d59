"""`status` and `logs`: what runs, how it is, what it says."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from . import health, orphans, parts
from .instance import Instance
from .supervisor import Process
from .terminal import Refused, console, say


def show(instance: Instance) -> bool:
    """Prints a table; says whether all that there should be is healthy."""
    supervisor = instance.supervisor
    if not supervisor.answers():
        left = len(orphans.find(instance.root))
        if left:
            say(f"The supervisor is gone; {left} processes run on without it. `make up` mends it.")
        else:
            say(f"Nothing of this instance ({instance.root}) runs: `make up` starts it.")
        return False
    embedded = {program.name: program.ready for program in parts.programs(instance)}

    def trouble(process: Process) -> str:
        """Empty for a healthy process."""
        if process.state not in {"RUNNING", "STARTING"}:
            return "not healthy"
        url = instance.url(process.name)
        if url is None:
            well = process.name not in embedded or embedded[process.name]()
            return "" if well else "not healthy"
        if away := health.parts_away(url):
            return f"does not reach: {', '.join(away)}"
        return "" if health.is_healthy(url) else "not healthy"

    processes = supervisor.processes()
    with ThreadPoolExecutor(len(processes) or 1) as pool:
        troubles = list(pool.map(trouble, processes))
    table = Table("program", "state", "since", "pid", "health", "memory", box=None)
    for process, wrong in zip(processes, troubles, strict=True):
        table.add_row(
            process.name,
            process.state.lower(),
            _moment(process.since),
            str(process.pid or ""),
            f"[red]{wrong}[/]" if wrong else "[green]healthy[/]",
            f"{_memory(process.pid) / 1_000_000:.0f} MB" if process.pid else "",
        )
    console.print(table)
    return not any(troubles)


def _moment(since: float) -> str:
    if not since:
        return ""
    then = datetime.fromtimestamp(since, UTC).astimezone()
    today = then.date() == datetime.now(UTC).astimezone().date()
    return then.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def _memory(pid: int) -> int:
    """Of the process and its children, in bytes; what they share is counted once."""
    held = 0
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        if found := re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE):
            held = int(found[1]) * 1024
        for task in Path(f"/proc/{pid}/task").iterdir():
            held += sum(_memory(int(child)) for child in (task / "children").read_text().split())
    except OSError:
        pass
    return held


def follow_logs(instance: Instance, name: str) -> None:
    """Becomes `tail`, which follows every log of the service. Raises Refused."""
    there = sorted((instance.root / "logs").glob("*.log"))
    chosen = [log for log in there if log.stem == name or log.stem.startswith(f"{name}-")]
    if not chosen:
        names = sorted({log.stem.partition("-")[0] for log in there})
        raise Refused(f"There is no log of {name!r}. There are: {', '.join(names) or 'none yet'}.")
    os.execvp("tail", ["tail", "-n", "50", "-F", *map(str, chosen)])  # noqa: S606 (no shell)
