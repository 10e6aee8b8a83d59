"""Processes of an instance that run on after their supervisord has died.

A process belongs to an instance if its environment names the instance's folder, or if it works in
the folder of the instance's PostgreSQL: PostgreSQL's children write their titles over their
environment.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil

from operate.terminal import step

from .supervisor_client import INSTANCE_VARIABLE

GRACE_SECONDS = 15
"""How long a process may take to stop before it is killed."""


def find(root: Path) -> dict[int, str]:
    """Pid and command line of every process of the instance, except this one."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and _belongs_to(process, root):
                found[process.pid] = " ".join(process.cmdline()).strip()
    # A zombie has no command line.
    return {pid: command for pid, command in found.items() if command}


def _belongs_to(process: psutil.Process, root: Path) -> bool:
    in_database = False
    with contextlib.suppress(psutil.Error):
        in_database = process.cwd() == str(root / "postgres")
    return in_database or instance_folder(process.pid) == root


def instance_folder(pid: int) -> Path | None:
    """The folder of the instance that a process belongs to."""
    try:
        folder = psutil.Process(pid).environ().get(INSTANCE_VARIABLE)
    except (psutil.Error, OSError):
        return None
    return Path(folder) if folder else None


def stop_all(root: Path) -> None:
    """Stops them, gracefully if they react in time, and returns when they are gone.

    Services stop before the servers that they depend on. Supervisord stops first: one that lives
    but cannot be reached would restart everything.
    """
    found = find(root)
    if not found:
        return
    with step(f"stopping {len(found)} processes of an earlier run"):
        # A process that supervisord has forked has the command line of supervisord.
        _stop(root, _matching(found, "supervisord -c "), signal.SIGTERM)
        _stop(root, _matching(found, " -m chassis serve "), signal.SIGTERM)
        postmaster = _postmaster(root)
        if postmaster in found:
            # SIGINT disconnects the clients; SIGTERM would wait for them. The children follow.
            _signal(postmaster, signal.SIGINT)
        _stop(root, [pid for pid in find(root) if not _is_postgres(pid)], signal.SIGTERM)
        _stop(root, list(find(root)), None)


def _matching(found: dict[int, str], words: str) -> list[int]:
    return [pid for pid, command in found.items() if words in command]


def _stop(root: Path, pids: list[int], stop_signal: signal.Signals | None) -> None:
    """Sends the signal, if any, and waits; kills what is left after the grace period."""
    if stop_signal is not None:
        for pid in pids:
            _signal(pid, stop_signal)
    deadline = time.monotonic() + GRACE_SECONDS
    while remaining := find(root).keys() & set(pids):
        if time.monotonic() > deadline:
            for pid in remaining:
                _signal(pid, signal.SIGKILL)
        time.sleep(0.1)


def _postmaster(root: Path) -> int:
    try:
        return int((root / "postgres" / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _is_postgres(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).name() == "postgres")
    except psutil.Error:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
