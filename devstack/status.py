"""`status` and `logs`: which programs run, whether they are healthy, and what they log."""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psutil
from rich.table import Table

from operate.terminal import CommandFailed, console, say

from . import embedded_servers, health, orphans
from .instance import Instance
from .supervisor_client import Process


def show(instance: Instance) -> bool:
    """Prints a table. Returns whether every program is healthy."""
    supervisor = instance.supervisor
    if not supervisor.is_running():
        count = len(orphans.find(instance.root))
        if count:
            say(
                f"The supervisor has died, but {count} of its processes still run. "
                "`make up` restarts the system."
            )
        else:
            say(f"Nothing of this instance ({instance.root}) is running. Start it with `make up`.")
        return False
    readiness = {program.name: program.is_ready for program in embedded_servers.programs(instance)}

    def problem(process: Process) -> str:
        """Empty for a healthy process."""
        if process.state not in {"RUNNING", "STARTING"}:
            return "not healthy"
        url = instance.url(process.name)
        if url is None:
            is_ready = process.name not in readiness or readiness[process.name]()
            return "" if is_ready else "not healthy"
        if failing := health.failing_checks(url):
            return f"cannot reach: {', '.join(failing)}"
        return "" if health.is_healthy(url) else "not healthy"

    processes = supervisor.processes()
    with ThreadPoolExecutor(len(processes) or 1) as pool:
        problems = list(pool.map(problem, processes))
    memory = {process.name: memory_bytes(process.pid) for process in processes}
    own_memory = memory_bytes(supervisor.pid(), with_descendants=False)
    table = Table("program", "state", "since", "pid", "health", "memory", box=None)
    for process, text in zip(processes, problems, strict=True):
        table.add_row(
            process.name,
            process.state.lower(),
            _formatted_time(process.since),
            str(process.pid or ""),
            f"[red]{text}[/]" if text else "[green]healthy[/]",
            _formatted_memory(memory[process.name]) if process.pid else "",
        )
    total = sum(size or 0 for size in (own_memory, *memory.values()))
    table.add_row("supervisor", "", "", str(supervisor.pid()), "", _formatted_memory(own_memory))
    table.add_row("sum", "", "", "", "", _formatted_memory(total or None))
    console.print(table)
    return not any(problems)


def _formatted_time(timestamp: float) -> str:
    if not timestamp:
        return ""
    time = datetime.fromtimestamp(timestamp, UTC).astimezone()
    is_today = time.date() == datetime.now(UTC).astimezone().date()
    return time.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")


def memory_bytes(pid: int, *, with_descendants: bool = True) -> int | None:
    """Memory of the process and its descendants (PSS: a shared page is divided by its users).

    None if the kernel does not tell it, such as for a process of another user.
    """
    try:
        process = psutil.Process(pid)
        descendants = process.children(recursive=True) if with_descendants else []
        total = int(process.memory_full_info().pss)
    except psutil.Error:
        return None
    for member in descendants:
        with contextlib.suppress(psutil.Error):
            total += member.memory_full_info().pss
    return total


def _formatted_memory(size: int | None) -> str:
    return "–" if size is None else f"{size / 1_000_000:.0f} MB"


def follow_logs(instance: Instance, name: str) -> None:
    """Replaces this process by `tail -F` on the logs of the service. Raises CommandFailed."""
    logs = sorted((instance.root / "logs").glob("*.log"))
    selected = [log for log in logs if log.stem == name or log.stem.startswith(f"{name}-")]
    if not selected:
        names = sorted({log.stem.partition("-")[0] for log in logs})
        raise CommandFailed(
            f"There is no log of {name!r}. Logs exist of: {', '.join(names) or 'nothing yet'}."
        )
    os.execvp("tail", ["tail", "-n", "50", "-F", *map(str, selected)])  # noqa: S606 (no shell)
