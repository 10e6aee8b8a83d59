"""Debian's packages, downloaded and unpacked aside: no root is needed and nothing is installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ENGLISH = {"LC_ALL": "C"}


class AptFailed(Exception):
    """The message holds what apt or dpkg said."""


def is_there() -> bool:
    return bool(shutil.which("apt-get") and shutil.which("dpkg"))


def cache_folder(name: str) -> Path:
    """Where what was fetched is kept, for all instances and clones."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "warble" / name


@contextmanager
def options() -> Iterator[list[str]]:
    """An ordinary user may not write the system's lists, so he gets lists of his own."""
    if os.geteuid() == 0:
        # As root apt drops its rights for a download, and may then not enter our folder.
        yield ["-o", "APT::Sandbox::User=root"]
        return
    own = cache_folder("rabbitmq") / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (own / name).mkdir(parents=True, exist_ok=True)
    yield [
        "-o", f"Dir::State::Lists={own / 'lists'}",
        "-o", f"Dir::Cache={own / 'cache'}",
        "-o", "Debug::NoLocking=true",
    ]  # fmt: skip


def ask(command: Sequence[str]) -> str:
    """What the command prints, whatever becomes of it."""
    return _run(command, None).stdout


def run(command: Sequence[str], folder: Path | None = None) -> None:
    """Raises AptFailed."""
    done = _run(command, folder)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise AptFailed(f"{' '.join(command[:2])} failed:\n{said[-1500:]}")


def _run(command: Sequence[str], folder: Path | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **ENGLISH},
        capture_output=True,
        text=True,
        check=False,
    )
