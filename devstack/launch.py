"""Replaces itself by a program, whose command and whole environment it reads from a plan file.

The supervisor starts every program through this script. So no secret is in a command line or in the
supervisor's own environment, and a program has exactly the environment that is meant for it. The
script runs with `-I -S`, so it can import nothing but the standard library.
"""

import json
import os
import sys
from pathlib import Path


def _remove_stale_pid_file(file: Path, folder: Path) -> None:
    """Removes PostgreSQL's pid file unless its process still works in the data folder.

    PostgreSQL refuses to start if any process has the pid in its file. After a crash that pid may
    belong to an unrelated process.
    """
    try:
        pid = int(file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    try:
        is_running = Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        is_running = False
    if not is_running:
        file.unlink(missing_ok=True)


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    if "pid_file" in plan:
        file = Path(plan["pid_file"])
        _remove_stale_pid_file(file, file.parent)
    os.chdir(plan["directory"])
    if "user" in plan:
        os.setgroups([])
        os.setgid(plan["user"][1])
        os.setuid(plan["user"][0])
    os.execve(plan["command"][0], plan["command"], plan["environment"])  # noqa: S606 (no shell)


if __name__ == "__main__":
    main()
