"""Becomes a program: reads its command and its whole environment from a file, and is it.

The supervisor starts everything through here. So no secret stands in a command line or in the
supervisor's own environment, and a program has exactly the environment that is meant for it.
"""

import json
import os
import sys
from pathlib import Path


def _drop_stale_pid_file(file: Path, folder: Path) -> None:
    """PostgreSQL refuses to start where the pid in its file belongs to anyone who runs now.

    After a crash that may be a stranger who was given the same number.
    """
    try:
        pid = int(file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    try:
        alive = Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        alive = False
    if not alive:
        file.unlink(missing_ok=True)


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    if "pid_file" in plan:
        file = Path(plan["pid_file"])
        _drop_stale_pid_file(file, file.parent)
    os.chdir(plan["directory"])
    if "user" in plan:
        os.setgroups([])
        os.setgid(plan["user"][1])
        os.setuid(plan["user"][0])
    os.execve(plan["command"][0], plan["command"], plan["environment"])  # noqa: S606 (no shell)


if __name__ == "__main__":
    main()
