"""The primary is killed, and its synchronous standby is promoted."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack import environment, postgres
from devstack.instance import Instance
from operate.postgres import connect
from tests.chaos.harness import READY_SECONDS, Bed, fault
from tests.chaos.load import Load
from tests.chaos.plans import replaced

HOST = "127.0.0.2"
"""The standby listens on another loopback address, on the same port."""
_IN_STEP = "select count(*) from pg_stat_replication where sync_state = 'sync'"


@fault(
    "the primary killed, its synchronous standby promoted (two hosts in DB_HOST)",
    "what was acknowledged is there once",
)
async def standby_promoted(bed: Bed, load: Load) -> int:
    """Must be the last fault of a run, because the primary does not come back."""
    primary = bed.parts.database()
    hosts = f"{primary['DB_HOST']},{HOST}"
    await bed.settle(DB_HOST=hosts)
    await asyncio.to_thread(bed.aside.enter_context, _standby(bed.parts))
    async with connect(primary) as connection:
        await connection.execute("alter system set synchronous_standby_names = '*'")
        await connection.execute("select pg_reload_conf()")
        async with asyncio.timeout(READY_SECONDS):
            while not await connection.fetchval(_IN_STEP):
                await asyncio.sleep(0.1)
    await bed.pause(10)
    # `sleep` runs in the place of the primary, so that the supervisor does not restart it.
    bed.aside.enter_context(replaced(bed.parts, "postgres", ["/bin/sleep", "infinity"]))
    async with connect(primary | {"DB_HOST": HOST}, read_write=False) as connection:
        await connection.execute("select pg_promote()")
    await bed.pause(10)
    return 1


@contextmanager
def _standby(parts: Instance) -> Iterator[None]:
    """Runs a streaming replica of the primary inside the `with` block."""
    folder = parts.root / "standby"
    shutil.rmtree(folder, ignore_errors=True)
    program = postgres.program(parts)
    server = next(word for word in program.command if word.endswith("/postgres"))
    primary = parts.database()
    subprocess.run(
        [
            Path(server).with_name("pg_basebackup"),
            *("--pgdata", folder, "--checkpoint", "fast", "--write-recovery-conf"),
            *("--host", primary["DB_HOST"], "--port", primary["DB_PORT"]),
            *("--username", primary["DB_USER"]),
        ],
        env={**environment.inherited_environment(), "PGPASSWORD": primary["DB_PASSWORD"]},
        check=True,
    )
    folder.chmod(0o700)
    data = program.command[program.command.index("-D") + 1]
    command = [str(folder) if word == data else word for word in program.command]
    with (parts.root / "logs" / "standby.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "-c", f"listen_addresses={HOST}"],
            env=dict(program.environment),
            cwd="/",
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)
