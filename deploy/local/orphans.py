"""What a dead supervisor left behind: processes of this instance that nobody looks after."""

import contextlib
import os
import signal
import time
from pathlib import Path

from .supervisor import MARK
from .terminal import step

PATIENCE_SECONDS = 15


def find(root: Path) -> dict[int, str]:
    """Pid and command line of every process that carries this instance's mark."""
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        try:
            # PostgreSQL's own children write their titles over their environment.
            inside = (process / "cwd").readlink() == root / "postgres"
            if inside or home_of(int(process.name)) == root:
                words = (process / "cmdline").read_bytes().split(b"\0")
                found[int(process.name)] = os.fsdecode(b" ".join(words)).strip()
        except OSError:
            continue
    return {pid: command for pid, command in found.items() if command}


def home_of(pid: int) -> Path | None:
    """The folder of the instance that a process belongs to."""
    mark = os.fsencode(f"{MARK}=")
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    for variable in variables:
        if variable.startswith(mark):
            return Path(os.fsdecode(variable.removeprefix(mark)))
    return None


def end(root: Path) -> None:
    """Stops them, gently at first, and returns when they are gone."""
    found = find(root)
    if not found:
        return
    with step(f"ending {len(found)} processes that an earlier run left behind"):
        # A supervisor that lives and cannot be reached would start anew what ends here.
        _end(root, _naming(found, " -m supervisor.supervisord "), signal.SIGTERM)
        # Those that need the database and the broker go before these.
        _end(root, _naming(found, " -m chassis.serve "), signal.SIGTERM)
        postmaster = _postmaster(root)
        if postmaster in found:
            # Its children go with it. SIGTERM would wait for its clients.
            _signal(postmaster, signal.SIGINT)
        _end(root, [pid for pid in find(root) if not _is_postgres(pid)], signal.SIGTERM)
        _end(root, list(find(root)), None)


def _naming(found: dict[int, str], words: str) -> list[int]:
    return [pid for pid, command in found.items() if words in command]


def _end(root: Path, pids: list[int], gently: signal.Signals | None) -> None:
    if gently is not None:
        for pid in pids:
            _signal(pid, gently)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := find(root).keys() & set(pids):
        if time.monotonic() > deadline:
            for pid in left:
                _signal(pid, signal.SIGKILL)
        time.sleep(0.1)


def _postmaster(root: Path) -> int:
    try:
        return int((root / "postgres" / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _is_postgres(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    except OSError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
