"""Downloads and unpacks Debian packages without root and without installing them."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from operate.terminal import CommandFailed

ENGLISH = {"LC_ALL": "C"}


class AptFailed(CommandFailed):
    """The message contains the output of apt or dpkg."""


def is_available() -> bool:
    return bool(shutil.which("apt-get") and shutil.which("dpkg"))


def cache_folder(name: str) -> Path:
    """The folder for downloads, shared by all instances and clones of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "warble" / name


@contextmanager
def options() -> Iterator[list[str]]:
    """Options for apt. An ordinary user cannot write the system's package lists, so gets others."""
    if os.geteuid() == 0:
        # As root, apt downloads as the user _apt, who may have no access to our folder.
        yield ["-o", "APT::Sandbox::User=root"]
        return
    folder = cache_folder("rabbitmq") / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    yield [
        "-o", f"Dir::State::Lists={folder / 'lists'}",
        "-o", f"Dir::Cache={folder / 'cache'}",
        "-o", "Debug::NoLocking=true",
    ]  # fmt: skip


def download(names: Callable[[list[str]], list[str]], folder: Path) -> None:
    """Downloads the packages that `names` returns, given options for apt. Raises AptFailed."""
    with options() as given:
        try:
            run(["apt-get", "download", *given, *names(given)], folder)
        except AptFailed:
            # The package lists are missing, or name a version that was replaced since.
            run(["apt-get", "update", *given])
            run(["apt-get", "download", *given, *names(given)], folder)


def output_of(command: Sequence[str]) -> str:
    """What the command prints, even if it fails."""
    return _run(command, None).stdout


def run(command: Sequence[str], folder: Path | None = None) -> None:
    """Raises AptFailed."""
    result = _run(command, folder)
    if result.returncode:
        output = (result.stderr or result.stdout).strip()
        raise AptFailed(f"{' '.join(command[:2])} failed:\n{output[-1500:]}")


def _run(command: Sequence[str], folder: Path | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **ENGLISH},
        capture_output=True,
        text=True,
        check=False,
    )
