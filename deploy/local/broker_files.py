"""Where RabbitMQ's own files come from: what is installed, or Debian's packages, unpacked aside.

Unpacking needs no root and installs nothing. The result is shared by all instances and clones.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

from . import apt
from .apt import AptFailed

PACKAGE = "rabbitmq-server"
_INSTALLED = Path("/usr/lib/rabbitmq/bin")
"""What stands on the PATH in Debian is a wrapper around these, which changes the user."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class BrokerFiles:
    server: Path
    """The script that starts the broker."""
    epmd: Path
    path: tuple[Path, ...] = ()
    """Folders that have to stand first on the PATH, so that the server finds its own Erlang."""
    libraries: tuple[Path, ...] = ()


def find() -> BrokerFiles | None:
    """What is installed or was fetched before; None where there is nothing yet."""
    found = shutil.which(PACKAGE, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    epmd = shutil.which("epmd") or next(iter(Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), None)
    if found and epmd:
        own = _INSTALLED / PACKAGE
        return BrokerFiles(own if own.exists() else Path(found).resolve(), Path(epmd))
    fetched = apt.cache_folder("rabbitmq") / "root"
    return _unpacked(fetched) if fetched.exists() else None


def fetch(tell: Tell) -> BrokerFiles:
    """Downloads and unpacks the packages, unless somebody did. Raises AptFailed."""
    folder = apt.cache_folder("rabbitmq")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        found = find()
        if found is not None:
            return found
        if not apt.is_there():
            raise AptFailed(
                "There is no rabbitmq-server on the PATH, and without apt-get none can be fetched: "
                "install RabbitMQ 3.9 or newer, or name a broker of your own in .env "
                "(USERS_BROKER_URL and the others, see .env.example)."
            )
        with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as aside:
            root = Path(aside) / "root"
            packages = Path(aside) / "packages"
            packages.mkdir()
            root.mkdir()
            _download(packages, tell)
            for package in sorted(packages.glob("*.deb")):
                tell(f"unpacking {package.name.partition('_')[0]}")
                apt.run(["dpkg", "-x", str(package), str(root)])
            _move_erlang(root)
            _unpacked(root)
            root.rename(folder / "root")
        return _unpacked(folder / "root")


def _unpacked(root: Path) -> BrokerFiles:
    erlang = root / "usr" / "lib" / "erlang"
    server = root / "usr" / "lib" / "rabbitmq" / "bin" / PACKAGE
    epmd = next(iter(sorted(erlang.glob("erts-*/bin/epmd"))), erlang)
    if not server.exists() or not epmd.is_file():
        raise AptFailed(f"{root} is incomplete: remove it and try again.")
    libraries = {file.parent for file in root.glob("**/lib*.so.*") if erlang not in file.parents}
    return BrokerFiles(server, epmd, (erlang / "bin",), tuple(sorted(libraries)))


def _move_erlang(root: Path) -> None:
    """`erl` is a script that knows where it was to be installed: let it look where it stands."""
    here = 'ROOTDIR="$(dirname "$(dirname "$(readlink -f "$0")")")"'
    for script in (root / "usr" / "lib" / "erlang").glob("**/bin/erl"):
        told = script.read_text()
        script.write_text(re.sub(r"""\bROOTDIR=["']?/usr/lib/erlang["']?""", lambda _: here, told))


def _download(folder: Path, tell: Tell) -> None:
    with apt.options() as options:
        names = _closure(options)
        if not names:
            tell("asking for the list of packages")
            apt.run(["apt-get", "update", *options])
            names = _closure(options)
        if not names:
            raise AptFailed("apt-get knows no rabbitmq-server: check its sources.")
        try:
            _get(names, options, folder, tell)
        except AptFailed:
            # The list may name a version that a newer one has replaced since.
            tell("asking for the list of packages again")
            apt.run(["apt-get", "update", *options])
            _get(names, options, folder, tell)


def _get(names: list[str], options: list[str], folder: Path, tell: Tell) -> None:
    with subprocess.Popen(
        ["apt-get", "download", *options, *names],
        cwd=folder,
        env={**os.environ, **apt.ENGLISH},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as download:
        said = []
        for line in download.stdout or ():
            said.append(line)
            if got := re.match(rf"Get:(\d+) .* ({PACKAGE}|erlang-\S+|lib\S+) ", line):
                tell(f"downloading {got[2]} ({got[1]} of {len(names)})")
    if download.returncode:
        raise AptFailed(f"apt-get download failed:\n{''.join(said)[-1500:]}")


def _closure(options: list[str]) -> list[str]:
    """RabbitMQ, the Erlang that it needs, and shared libraries that this machine lacks."""
    told = apt.ask(
        [
            "apt-cache",
            *options,
            "depends",
            "--recurse",
            "--no-recommends",
            "--no-suggests",
            "--no-conflicts",
            "--no-breaks",
            "--no-replaces",
            "--no-enhances",
            PACKAGE,
        ]
    )
    wanted = set(re.findall(rf"^({PACKAGE}|erlang-[a-z0-9-]+)$", told, re.MULTILINE))
    wanted -= {"erlang-base-hipe"}  # Another build of erlang-base, in its place.
    if PACKAGE not in wanted:
        return []
    simulated = apt.ask(
        ["apt-get", *options, "install", "--simulate", "--no-install-recommends", PACKAGE]
    )
    missing = set(re.findall(r"^Inst (lib\S+)", simulated, re.MULTILINE))
    return sorted(wanted | missing)
