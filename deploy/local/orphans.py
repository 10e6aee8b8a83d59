"""What a dead supervisor left behind: processes of this instance that nobody looks after."""

import contextlib
import os
import signal
import time
from pathlib import Path

from .supervisor import MARK
from .terminal import step

PATIENCE_SECONDS = 20


def find(root: Path) -> dict[int, str]:
    """Pid and name of every process that carries this instance's mark, or works in its folder."""
    mark = os.fsencode(f"{MARK}={root}")
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        try:
            marked = mark in (process / "environ").read_bytes().split(b"\0")
            # PostgreSQL's own children write their titles over their environment.
            inside = (process / "cwd").readlink().is_relative_to(root / "postgres")
            if marked or inside:
                found[int(process.name)] = (process / "comm").read_text().strip()
        except OSError:
            continue
    return found


def end(root: Path) -> None:
    """Stops them, gently at first, and returns when they are gone."""
    found = find(root)
    if not found:
        return
    with step(f"ending {len(found)} processes that an earlier run left behind") as tell:
        for pid, name in found.items():
            # To PostgreSQL, SIGTERM means to wait for its clients.
            _signal(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while left := find(root):
            tell(", ".join(sorted(set(left.values()))))
            if time.monotonic() > deadline:
                for pid in left:
                    _signal(pid, signal.SIGKILL)
            time.sleep(0.1)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
