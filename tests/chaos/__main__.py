"""`make chaos`: the whole of it, on a system of its own; prints the table and the seed."""

import argparse
import asyncio
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench.stack import local
from deploy.local import places
from deploy.local.instance import Instance

from . import faults as _  # noqa: F401  (they enter themselves)
from .bed import Bed, Fault, Impossible, faults
from .history import History, Outcome
from .leaving import ERASED, still_there
from .trial import COLUMNS, Row, seen, told, undergo
from .wire import Wire

HOME = os.environ.get("WARBLE_CHAOS_HOME", ".local/chaos")
PORT = int(os.environ.get("WARBLE_CHAOS_PORT", "17000"))
PARTS_PORT = PORT + 100
WIRE = 80
DISK_MB = 1500
TWO_REPLICAS = {f"{name.upper()}_REPLICAS": "2" for name in places.SERVICES}
LAST = ("node_lost", "standby_promoted")
"""There is no way back from these."""
WIDTH = 200
SHOWN = 10
"""Findings of one trial that are printed."""


def parts() -> Instance:
    home = f"{HOME}/parts"
    given = {"WARBLE_HOME": home, "WARBLE_PORT": str(PARTS_PORT), "WARBLE_ENV_FILE": ""}
    return Instance(places.REPOSITORY / home, PARTS_PORT, given)


def stack(parts: Instance) -> Instance:
    """The services, which know the parts as somebody's own."""
    home = f"{HOME}/stack"
    store = parts.service_environment("media")
    given = {
        "WARBLE_HOME": home,
        "WARBLE_PORT": str(PORT),
        "WARBLE_ENV_FILE": "",
        "GATEWAY_RATE_LIMITS": "off",
        # The page is not what is tried here: nobody waits for its build.
        "GATEWAY_WEB_DIR": str(places.REPOSITORY / "web" / "public"),
        **TWO_REPLICAS,
        **parts.database(),
        **{
            f"{name.upper()}_BROKER_URL": parts.broker_url for name in (*places.SERVICES, "gateway")
        },
        **{name: value for name, value in store.items() if name.startswith("MEDIA_S3_")},
        "MEDIA_S3_ENDPOINT": f"127.0.0.1:{PORT + WIRE}",
    }
    return Instance(places.REPOSITORY / home, PORT, given)


async def run(
    names: list[str], chosen: argparse.Namespace, console: Console, rows: list[Row]
) -> None:
    """Adds a row for each fault that was tried."""
    apart = parts()
    whole = stack(apart)
    async with Wire(PORT + WIRE, apart.offset(places.S3)) as wire:
        bed = Bed(whole, apart, chosen.seed, chosen.share, wire)
        try:
            _mount(apart)
            await asyncio.to_thread(local, "up", "--only", "infra", **apart.given)
            await bed.up()
            for name in names:
                try:
                    rows.append(await undergo_aloud(bed, faults[name], console))
                except Impossible as reason:
                    console.print(f"  not tried: {reason}")
                except Exception as error:
                    # What was found before, and what comes after, is worth the rest of the run.
                    console.print_exception()
                    rows.append(Row(faults[name], 0, History([]), [f"broke off: {error!r}"]))
            rows.append(Row(ERASED, len(bed.left), History([]), await still_there(bed)))
            _told(rows[-1], console)
        finally:
            if not chosen.keep:
                await asyncio.to_thread(local, "reset", YES="1", **whole.given)
                await asyncio.to_thread(bed.aside.close)
                await asyncio.to_thread(local, "down", **apart.given)
                _unmount(apart)
                await asyncio.to_thread(local, "reset", YES="1", **apart.given)


def _data(parts: Instance) -> Path:
    return parts.root / "postgres"


def _mount(parts: Instance) -> None:
    """Gives PostgreSQL a small file system of its own, where this may be done: it can be filled."""
    folder = _data(parts)
    if folder.is_mount() or folder.exists():
        return
    folder.mkdir(mode=0o700, parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0700", "tmpfs", str(folder)]
    subprocess.run(command, check=False, capture_output=True)


def _unmount(parts: Instance) -> None:
    if _data(parts).is_mount():
        subprocess.run(["umount", str(_data(parts))], check=True)


async def undergo_aloud(bed: Bed, fault: Fault, console: Console) -> Row:
    console.print(f"[bold]{fault.name}[/]: {fault.broken} …")
    begun = time.monotonic()
    row = await undergo(bed, fault)
    console.print(f"  {row.times} times in {time.monotonic() - begun:.0f} s")
    _told(row, console)
    return row


def _told(row: Row, console: Console) -> None:
    said = f"{row.fault.name}: {seen(row)}"
    for line in (said, *row.history.notes, *row.findings[:SHOWN]):
        console.print(f"  {line}", markup=False, highlight=False)


def shown(rows: list[Row], console: Console) -> None:
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*told(row))
    console.print(table)
    done = sum(row.history.writes[Outcome.done] for row in rows)
    times = sum(row.times for row in rows if row.fault is not ERASED)
    lost, doubled = (sum(row.count(kind) for row in rows) for kind in ("lost", "doubled"))
    console.print(
        f"{times} faults, {done} acknowledged writes checked, {lost} lost, {doubled} doubled."
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--share", type=float, default=1.0, help="of a whole run's faults")
    parser.add_argument("--keep", action="store_true", help="leave the system running")
    parser.add_argument("only", nargs="*", choices=[[], *faults], help="some of the faults")
    chosen = parser.parse_args()
    console = Console(width=WIDTH)
    console.print(f"seed {chosen.seed}: `make chaos SEED={chosen.seed}` replays this run")
    rows: list[Row] = []
    try:
        # The load takes less of the machine so.
        uvloop.run(
            run(
                sorted(chosen.only or faults, key=LAST.__contains__),
                chosen,
                console,
                rows,
            )
        )
    finally:
        shown(rows, console)
    return 0 if all(row.right for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
