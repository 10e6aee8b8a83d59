"""The Prometheus that rules and boards are tried on: what is installed, or Debian's, unpacked.

Unpacked, not installed: the package would start a server of its own.
"""

import shutil
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

from . import apt
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
    folder = apt.cache_folder(_PACKAGE)
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
        if not apt.is_there():
            raise apt.AptFailed("there is no apt-get")
        with apt.options() as options:
            download = ["apt-get", "download", *options, _PACKAGE]
            try:
                apt.run(download, unpacking)
            except apt.AptFailed:
                # There is no list of packages yet, or one that newer versions have outrun.
                apt.run(["apt-get", "update", *options])
                apt.run(download, unpacking)
        (package,) = unpacking.glob("*.deb")
        apt.run(["dpkg", "-x", str(package), "root"], unpacking)
        (unpacking / "root").rename(root)
    except (OSError, apt.AptFailed) as error:
        raise Refused(
            "Boards and alerts are tried on a Prometheus, which is not here and cannot be fetched "
            f"({error}). As root: apt-get install --no-install-recommends prometheus"
        ) from error
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)
