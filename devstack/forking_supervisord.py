"""supervisord, which forks the processes of Warble instead of starting Python for each.

Most of what such a process keeps in memory are the modules that all of them import: FastAPI,
SQLAlchemy, pydantic and others. So supervisord imports these modules before it starts anything. A
process that it forks has them already, and shares the memory pages that neither of the two has
written to since. Each process still is a child of supervisord of its own, with its own environment,
log and restarts (docs/adr/0042).

If the libraries have been installed again since then, or a file of this repository that supervisord
has imported has changed, a process starts in the usual way.

Every other program, and a process that cannot be forked, is started by `launch.py`.
"""

import atexit
import gc
import importlib
import io
import json
import os
import signal
import ssl
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from supervisor import supervisord
from supervisor.options import ServerOptions

LIBRARIES = (
    "aio_pika",
    "anyascii",
    "asyncpg",
    "fastapi",
    "fastapi.responses",
    "httptools",
    "httpx",
    "jwt",
    "linkify_it",
    "minio",
    "prometheus_client",
    "prometheus_fastapi_instrumentator",
    "pydantic._internal._serializers",
    "pydantic.functional_serializers",
    "pydantic.v1",
    "pydantic_settings",
    "python_multipart",
    "regex",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
    "sqlmodel.ext.asyncio.session",
    "starlette.formparsers",
    "structlog",
    "uvicorn",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
)
"""What several processes of Warble import. One that is missing here costs memory, nothing else."""
CHASSIS = ("chassis.process.app", "chassis.process.server")
"""What every process imports of this repository. These modules and those that they import do not
read the environment before `serve`, nor do they keep anything that must differ between processes.
"""

_HANDLED_SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)
"""Those that supervisord handles, except SIGINT, for which Python has a handler of its own."""
_SERVE = ["-m", "chassis", "serve"]


def imported_files() -> list[str]:
    """The files of the chassis that this process has imported, and those that change when Python or
    the libraries are installed again (see `venv.sh`)."""
    folder = Path(sys.prefix)
    chassis = [
        module.__file__
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "chassis" and module.__file__
    ]
    installed = [folder, folder / "pyvenv.cfg", *folder.glob("installed-*")]
    return [*map(str, installed), *chassis]


def versions_of(files: Sequence[str]) -> list[tuple[int, int]] | None:
    """The time of the last change of each file, in nanoseconds, and its size in bytes. None if a
    file is missing."""
    try:
        stats = [os.stat(file) for file in files]
    except OSError:
        return None
    return [(stat.st_mtime_ns, stat.st_size) for stat in stats]


class Options(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """Replaces the step in which supervisord turns a forked child into its program.

    `fork` and `execve` are no documented extension points of supervisor, which is pinned exactly.
    """

    files: Sequence[str] = ()
    versions: Sequence[tuple[int, int]] | None = None
    """Of these files, when supervisord started."""
    is_unchanged = True

    def fork(self) -> int:
        # Not in the child, where it would write to the shared memory.
        self.is_unchanged = versions_of(self.files) == self.versions
        child: int = super().fork()
        return child

    def execve(
        self, filename: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        plan = json.loads(Path(arguments[-1]).read_text())
        if self.is_unchanged and is_served(plan):
            _run(plan, environment["SUPERVISOR_PROCESS_NAME"])
        super().execve(filename, arguments, environment)


def is_served(plan: Mapping[str, Any]) -> bool:
    """Whether the program is a process of Warble."""
    return bool(plan["command"][1:4] == _SERVE)


def _run(plan: Mapping[str, Any], name: str) -> None:
    """Serves in this process what `python -m chassis serve` would, then ends the process.

    It calls the function that the command calls: `argparse` alone would write to 1.5 MB of the
    shared memory.
    """
    factory, _, host, _, port = plan["command"][4:]
    status = 1
    try:
        for number in _HANDLED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # The command line stays that of supervisord; this is what `ps -e` and `top` show.
        Path("/proc/self/comm").write_text(name)
        os.chdir(plan["directory"])
        os.environ.clear()
        os.environ.update(plan["environment"])
        time.tzset()
        sys.stdout, sys.stderr = _unbuffered(1), _unbuffered(2)
        sys.path[:1] = [plan["directory"], *os.environ["PYTHONPATH"].split(":")]
        # The decoders of media import the main module of their parent.
        sys.modules["__main__"] = importlib.import_module("chassis.__main__")
        status = importlib.import_module("chassis.process.server").serve(factory, host, int(port))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        # What Python does at its end, except that nothing is closed: supervisord's objects hold
        # numbers of files that were closed after the fork and belong to other files by now.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        os._exit(status)


def _unbuffered(descriptor: int) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", errors="backslashreplace", write_through=True)


def _share_modules() -> None:
    """Imports the modules, and leaves their memory so that children write to little of it."""
    for name in (*LIBRARIES, *CHASSIS):
        importlib.import_module(name)
    # The first use of OpenSSL fills its tables: those of Python's copy and of cryptography's.
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    Ed25519PrivateKey.generate()
    # A collection writes to each object that it visits, which would copy the shared pages.
    gc.collect()
    gc.freeze()


def main() -> None:
    _share_modules()
    Options.files = imported_files()
    Options.versions = versions_of(Options.files)
    supervisord.ServerOptions = Options
    supervisord.main()


if __name__ == "__main__":
    main()
