"""PostgreSQL is killed, hangs, drops its connections, or has no disk space."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from devstack import orphans
from devstack.repository import SERVICES
from operate import postgres
from tests.chaos.harness import Bed, Impossible, fault
from tests.chaos.load import Load

HANG_SECONDS = 10

_CUT = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where pid <> pg_backend_pid() and usename = any($1)
"""


@fault("PostgreSQL killed (`kill -9`)", "what was acknowledged is there once")
async def database_killed(bed: Bed, load: Load) -> int:
    times = bed.times(5)
    for _ in range(times):
        await bed.kill("postgres")
        await bed.pause(6)
    return times


@fault("every connection to PostgreSQL cut", "what was acknowledged is there once")
async def connections_cut(bed: Bed, load: Load) -> int:
    times = bed.times(20)
    for _ in range(times):
        async with postgres.connect(bed.parts.database()) as connection:
            await connection.execute(_CUT, SERVICES)
        await bed.pause(bed.chance.uniform(0.2, 2))
    return times


@fault(
    f"PostgreSQL hangs for {HANG_SECONDS} s (SIGSTOP)",
    "every call is answered in time; what was acknowledged is there once",
)
async def database_hung(bed: Bed, load: Load) -> int:
    times = bed.times(3)
    for _ in range(times):
        stopped = _stopped(bed)
        await asyncio.sleep(HANG_SECONDS)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        await bed.pause(6)
    return times


def _stopped(bed: Bed) -> list[int]:
    """Stops the server and its child processes; the server first, so that it starts no more."""
    server = bed.parts.pid("postgres")
    os.kill(server, signal.SIGSTOP)
    stopped = [server]
    for pid, command in orphans.find(bed.parts.root).items():
        if pid != server and command.startswith("postgres:"):
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
    return stopped


@fault(
    "PostgreSQL's disk full for 15 s",
    "every call is answered; what was acknowledged is there once",
)
async def disk_full(bed: Bed, load: Load) -> int:
    times = bed.times(2)
    data = bed.parts.root / "postgres"
    if not data.is_mount():
        raise Impossible("a separate file system for PostgreSQL could not be mounted")
    for _ in range(times):
        ballast = await asyncio.to_thread(_filled, data)
        try:
            await asyncio.sleep(15)
        finally:
            ballast.unlink()
        await bed.pause(10)
    return times


def _filled(folder: Path) -> Path:
    """Creates a file that uses all free space of the file system."""
    ballast = folder / "ballast"
    block = bytes(1024 * 1024)
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(block):
            pass
    return ballast
