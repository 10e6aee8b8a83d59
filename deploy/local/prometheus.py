"""The Prometheus that rules and boards are tried on: what is installed, or Debian's, unpacked.

Unpacked, not installed: the package would start a server of its own.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

from .broker_files import apt_options, cache_folder
from .terminal import Refused

_PACKAGE = "prometheus"


@dataclass(frozen=True)
class Prometheus:
    server: Path
    tool: Path
    """promtool, which checks and tries rules."""


def prometheus() -> Prometheus:
    """Raises Refused where there is none and none can be fetched."""
    server, tool = shutil.which("prometheus"), shutil.which("promtool")
    if server and tool:
        return Prometheus(Path(server), Path(tool))
    folder = cache_folder().with_name(_PACKAGE)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        root = folder / "root"
        if not root.exists():
            _fetch(folder, root)
    return Prometheus(root / "usr/bin/prometheus", root / "usr/bin/promtool")


def _fetch(folder: Path, root: Path) -> None:
    unpacking = folder / "unpacking"
    shutil.rmtree(unpacking, ignore_errors=True)
    unpacking.mkdir()
    try:
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            raise OSError("there is no apt-get")
        with apt_options() as options:
            download = ["apt-get", "download", *options, _PACKAGE]
            if _run(download, unpacking).returncode:
                # There is no list of packages yet, or one that newer versions have outrun.
                _run(["apt-get", "update", *options], unpacking)
                _run(download, unpacking).check_returncode()
        (package,) = unpacking.glob("*.deb")
        _run(["dpkg", "-x", str(package), "root"], unpacking).check_returncode()
        (unpacking / "root").rename(root)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Refused(
            "Boards and alerts are tried on a Prometheus, which is not here and cannot be fetched "
            f"({error}). As root: apt-get install --no-install-recommends prometheus"
        ) from error
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
