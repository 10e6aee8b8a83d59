"""The Prometheus that the tests of alerts and dashboards use: an installed one, or Debian's.

Debian's package is unpacked and not installed: an installation would start a server.
"""

import shutil
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

from devstack import apt
from operate.terminal import CommandFailed

_PACKAGE = "prometheus"


@dataclass(frozen=True)
class Prometheus:
    server: Path
    tool: Path
    """promtool, which checks and tests rules."""


def prometheus() -> Prometheus:
    """Raises CommandFailed if there is none and none can be downloaded."""
    server, tool = shutil.which("prometheus"), shutil.which("promtool")
    if server and tool:
        return Prometheus(Path(server), Path(tool))
    folder = apt.cache_folder(_PACKAGE)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        root = folder / "root"
        if not root.exists():
            _download(folder, root)
    return Prometheus(root / "usr/bin/prometheus", root / "usr/bin/promtool")


def _download(folder: Path, root: Path) -> None:
    temporary = folder / "unpacking"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        if not apt.is_available():
            raise apt.AptFailed("there is no apt-get")
        apt.download(lambda _: [_PACKAGE], temporary)
        (package,) = temporary.glob("*.deb")
        apt.run(["dpkg", "-x", str(package), "root"], temporary)
        (temporary / "root").rename(root)
    except (OSError, apt.AptFailed) as error:
        raise CommandFailed(
            "The tests of dashboards and alerts need Prometheus, which is not installed and cannot "
            f"be downloaded ({error}). As root: apt-get install --no-install-recommends prometheus"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
