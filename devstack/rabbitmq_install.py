"""Finds RabbitMQ on this machine, or downloads and unpacks Debian's packages.

Unpacking needs no root and installs nothing. The result is shared by all instances and clones.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

from . import apt
from .apt import AptFailed

PACKAGE = "rabbitmq-server"
_DEBIAN_BIN = Path("/usr/lib/rabbitmq/bin")
"""Debian puts wrappers around these scripts on the PATH, which change the user."""

ShowDetail = Callable[[str], None]


@dataclass(frozen=True)
class RabbitmqInstallation:
    server: Path
    """The script that starts the broker."""
    epmd: Path
    path: tuple[Path, ...] = ()
    """Folders to put first on the PATH, so that the server finds its own Erlang."""
    libraries: tuple[Path, ...] = ()


def find() -> RabbitmqInstallation | None:
    """An installed or an already unpacked RabbitMQ; None if there is neither."""
    server = shutil.which(PACKAGE, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    epmd = shutil.which("epmd") or next(iter(Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), None)
    if server and epmd:
        script = _DEBIAN_BIN / PACKAGE
        return RabbitmqInstallation(
            script if script.exists() else Path(server).resolve(), Path(epmd)
        )
    root = apt.cache_folder("rabbitmq") / "root"
    return _unpacked(root) if root.exists() else None


def install(show_detail: ShowDetail) -> RabbitmqInstallation:
    """Downloads and unpacks the packages, unless another process has. Raises AptFailed."""
    folder = apt.cache_folder("rabbitmq")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        found = find()
        if found is not None:
            return found
        if not apt.is_available():
            raise AptFailed(
                "rabbitmq-server is not on the PATH, and it cannot be downloaded because there is "
                "no apt-get. Install RabbitMQ 3.9 or newer, or name your own broker in .env "
                "(USERS_BROKER_URL and the others, see .env.example)."
            )
        with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as temporary:
            root = Path(temporary) / "root"
            packages = Path(temporary) / "packages"
            packages.mkdir()
            root.mkdir()
            show_detail("downloading")
            apt.download(_required_packages, packages)
            for package in sorted(packages.glob("*.deb")):
                show_detail(f"unpacking {package.name.partition('_')[0]}")
                apt.run(["dpkg", "-x", str(package), str(root)])
            _relocate_erlang(root)
            _unpacked(root)
            root.rename(folder / "root")
        return _unpacked(folder / "root")


def _unpacked(root: Path) -> RabbitmqInstallation:
    erlang = root / "usr" / "lib" / "erlang"
    server = root / "usr" / "lib" / "rabbitmq" / "bin" / PACKAGE
    epmd = next(iter(sorted(erlang.glob("erts-*/bin/epmd"))), erlang)
    if not server.exists() or not epmd.is_file():
        raise AptFailed(f"{root} is incomplete. Remove it and try again.")
    libraries = {file.parent for file in root.glob("**/lib*.so.*") if erlang not in file.parents}
    return RabbitmqInstallation(server, epmd, (erlang / "bin",), tuple(sorted(libraries)))


def _relocate_erlang(root: Path) -> None:
    """The script `erl` contains the folder of its package: derive it from the script's place."""
    own_root = 'ROOTDIR="$(dirname "$(dirname "$(readlink -f "$0")")")"'
    for script in (root / "usr" / "lib" / "erlang").glob("**/bin/erl"):
        text = script.read_text()
        script.write_text(
            re.sub(r"""\bROOTDIR=["']?/usr/lib/erlang["']?""", lambda _: own_root, text)
        )


def _required_packages(options: list[str]) -> list[str]:
    """RabbitMQ, the Erlang packages that it needs, and shared libraries that are not installed.

    Raises AptFailed."""
    without = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    flags = [f"--no-{relation}" for relation in without]
    command = ["apt-cache", *options, "depends", "--recurse", *flags, PACKAGE]
    dependencies = apt.output_of(command)
    names = set(re.findall(rf"^({PACKAGE}|erlang-[a-z0-9-]+)$", dependencies, re.MULTILINE))
    names -= {"erlang-base-hipe"}  # An alternative build of erlang-base.
    if PACKAGE not in names:
        raise AptFailed(f"apt-get finds no package {PACKAGE}. Check its sources.")
    simulation = apt.output_of(
        ["apt-get", *options, "install", "--simulate", "--no-install-recommends", PACKAGE]
    )
    libraries = set(re.findall(r"^Inst (lib\S+)", simulation, re.MULTILINE))
    return sorted(names | libraries)
