"""The clocks of some processes are an hour off."""

import asyncio
import shutil
from contextlib import ExitStack
from pathlib import Path

from devstack import apt
from tests.chaos.harness import Bed, fault
from tests.chaos.load import Load
from tests.chaos.plans import altered

_PACKAGE = "libfaketime"
_SHIFTED = {"tweets-api-1": "+1h", "users-api-1": "-1h", "feed-api-2": "+1h", "feed-worker": "-1h"}
"""Without media, because an S3 store refuses signatures with a wrong time."""


@fault(
    "the clocks of four processes an hour off, before or behind",
    "no call fails; what was acknowledged is there once",
)
async def clocks_off(bed: Bed, load: Load) -> int:
    library = await asyncio.to_thread(_library)
    with ExitStack() as stack:
        for program, offset in _SHIFTED.items():
            variables = {
                "LD_PRELOAD": str(library),
                "FAKETIME": offset,
                # Only the wall clock is shifted; timers use the monotonic clock.
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            await asyncio.to_thread(stack.enter_context, altered(bed.stack, program, **variables))
        await bed.ready()
        with load.history.unfailing("while clocks were off"):
            await bed.pause(20)
    return len(_SHIFTED)


def _library() -> Path:
    """Downloads and unpacks Debian's libfaketime. Raises AptFailed."""
    folder = apt.cache_folder(_PACKAGE)
    if not (found := sorted(folder.glob("root/**/libfaketime.so.1"))):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        apt.download(lambda _: [_PACKAGE], folder)
        for package in folder.glob("*.deb"):
            apt.run(["dpkg", "-x", str(package), str(folder / "root")])
        found = sorted(folder.glob("root/**/libfaketime.so.1"))
    return found[0]
