"""`make chaos`: the full run of faults, on a separate system. Prints a table and the seed."""

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

from bench.stack import devstack
from devstack import port_numbers, repository
from devstack.instance import Instance

from . import faults as _  # noqa: F401  (each module registers its faults)
from .erasures import ERASED, still_there
from .experiment import COLUMNS, Row, cells, seen, undergo
from .harness import Bed, Fault, Impossible, faults
from .history import History, Outcome
from .tcp_proxy import TcpProxy

HOME = os.environ.get("WARBLE_CHAOS_HOME", ".local/chaos")
PORT = int(os.environ.get("WARBLE_CHAOS_PORT", "17000"))
PARTS_PORT = PORT + 100
STORE_PROXY_PORT = 80
DISK_MB = 1500
TWO_REPLICAS = {f"{name.upper()}_REPLICAS": "2" for name in repository.SERVICES}
LAST = ("node_lost", "standby_promoted")
"""Faults after which the system cannot return to its first state; they run at the end."""
WIDTH = 200
SHOWN = 10
"""At most so many findings of one fault are printed."""


def parts() -> Instance:
    home = f"{HOME}/parts"
    settings = {"WARBLE_HOME": home, "WARBLE_PORT": str(PARTS_PORT), "WARBLE_ENV_FILE": ""}
    return Instance(repository.REPOSITORY / home, PARTS_PORT, settings)


def stack(parts: Instance) -> Instance:
    """The services and the gateway, configured to use `parts` as external infrastructure."""
    home = f"{HOME}/stack"
    store = parts.service_environment("media")
    settings = {
        "WARBLE_HOME": home,
        "WARBLE_PORT": str(PORT),
        "WARBLE_ENV_FILE": "",
        "GATEWAY_RATE_LIMITS": "off",
        # No fault concerns the web page, so its build is skipped.
        "GATEWAY_WEB_DIR": str(repository.REPOSITORY / "web" / "public"),
        **TWO_REPLICAS,
        **parts.database(),
        **{
            f"{name.upper()}_BROKER_URL": parts.broker_url
            for name in (*repository.SERVICES, "gateway")
        },
        **{name: value for name, value in store.items() if name.startswith("MEDIA_S3_")},
        "MEDIA_S3_ENDPOINT": f"127.0.0.1:{PORT + STORE_PROXY_PORT}",
    }
    return Instance(repository.REPOSITORY / home, PORT, settings)


async def run(
    names: list[str], chosen: argparse.Namespace, console: Console, rows: list[Row]
) -> None:
    """Injects the faults one after another and appends a row to `rows` for each."""
    apart = parts()
    whole = stack(apart)
    async with TcpProxy(PORT + STORE_PROXY_PORT, apart.port_of(port_numbers.S3)) as store_proxy:
        bed = Bed(whole, apart, chosen.seed, chosen.share, store_proxy)
        try:
            _mount(apart)
            await asyncio.to_thread(devstack, "up", "--only", "infra", **apart.settings)
            await bed.up()
            for name in names:
                try:
                    rows.append(await undergo_aloud(bed, faults[name], console))
                except Impossible as reason:
                    console.print(f"  skipped: {reason}")
                except Exception as error:
                    # One failed fault must not discard the results of the others.
                    console.print_exception()
                    rows.append(Row(faults[name], 0, History([]), [f"aborted: {error!r}"]))
            rows.append(Row(ERASED, len(bed.left), History([]), await still_there(bed)))
            _print_row(rows[-1], console)
        finally:
            if not chosen.keep:
                await asyncio.to_thread(devstack, "reset", YES="1", **whole.settings)
                await asyncio.to_thread(bed.aside.close)
                await asyncio.to_thread(devstack, "down", **apart.settings)
                _unmount(apart)
                await asyncio.to_thread(devstack, "reset", YES="1", **apart.settings)


def _data(parts: Instance) -> Path:
    return parts.root / "postgres"


def _mount(parts: Instance) -> None:
    """Mounts a small tmpfs for PostgreSQL's data, so that `disk_full` can fill it.

    Without the permission to mount, the folder stays on the ordinary disk.
    """
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
    started_at = time.monotonic()
    row = await undergo(bed, fault)
    console.print(f"  {row.times} times in {time.monotonic() - started_at:.0f} s")
    _print_row(row, console)
    return row


def _print_row(row: Row, console: Console) -> None:
    summary = f"{row.fault.name}: {seen(row)}"
    for line in (summary, *row.history.notes, *row.findings[:SHOWN]):
        console.print(f"  {line}", markup=False, highlight=False)


def shown(rows: list[Row], console: Console) -> None:
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*cells(row))
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
    parser.add_argument(
        "--share", type=float, default=1.0, help="share of a full run's faults, 0 to 1"
    )
    parser.add_argument("--keep", action="store_true", help="leave the system running")
    parser.add_argument(
        "only", nargs="*", choices=[[], *faults], help="names of the faults to run; all by default"
    )
    chosen = parser.parse_args()
    console = Console(width=WIDTH)
    console.print(f"seed {chosen.seed}: `make chaos SEED={chosen.seed}` replays this run")
    rows: list[Row] = []
    try:
        # With uvloop the load generator uses less CPU time.
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
