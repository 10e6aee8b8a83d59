"""This repository: its root folder, its services, and the programs of its virtual environment."""

import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHON_PATH = f"{REPOSITORY}:{REPOSITORY / 'libs'}"
"""The value of PYTHONPATH with which Python finds all code of this repository."""
SERVICES = ("users", "tweets", "media", "feed", "notifications")


def python() -> str:
    """The interpreter in `.venv`. The link is not resolved: its target is outside the venv."""
    return str(tool("python"))


def tool(name: str) -> Path:
    return REPOSITORY / ".venv" / "bin" / name


def run_module(*arguments: str, **settings: str) -> None:
    """Runs `python -m`, with these settings. Raises subprocess.CalledProcessError."""
    environment = {**os.environ, **settings}
    subprocess.run([python(), "-m", *arguments], cwd=REPOSITORY, env=environment, check=True)


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 of the names and contents of these files; their order does not matter."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.relative_to(REPOSITORY).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
