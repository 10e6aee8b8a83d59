"""supervisord, which forks the processes of Warble instead of starting Python for each.

Most of what such a process keeps in memory are the libraries that all of them import: FastAPI,
SQLAlchemy, pydantic and others. So supervisord imports these libraries before it starts anything. A
process that it forks has them already, and shares the memory pages that neither of the two has
written to since. Each process still is a child of supervisord of its own, with its own environment,
log and restarts (docs/adr/0042).

supervisord imports libraries only, never code of this repository, which may change while it runs.
If the libraries themselves have been installed again since, a process starts in the usual way.

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

_HANDLED_SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)
"""Those that supervisord handles, except SIGINT, for which Python has a handler of its own."""
_SERVE = ["-m", "chassis", "serve"]


def installed_versions() -> list[str]:
    """Changes when Python or the libraries have been installed again (see `venv.sh`)."""
    folder = Path(sys.prefix)
    files = [folder / "pyvenv.cfg", *sorted(folder.glob("installed-*"))]
    return [file.read_text() for file in files]


class Options(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """Replaces the step in which supervisord turns a forked child into its program.

    `execve` is no documented extension point of supervisor, which is pinned exactly.
    """

    imported_versions: Sequence[str] = ()

    def execve(
        self, filename: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        plan = json.loads(Path(arguments[-1]).read_text())
        if can_fork(plan, self.imported_versions):
            _run(plan, environment["SUPERVISOR_PROCESS_NAME"])
        super().execve(filename, arguments, environment)


def can_fork(plan: Mapping[str, Any], imported_versions: Sequence[str]) -> bool:
    """Whether the program is a process of Warble that wants the libraries in this process."""
    return bool(plan["command"][1:4] == _SERVE) and installed_versions() == imported_versions


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


def _share_libraries() -> None:
    """Imports the libraries, and leaves their memory so that children write to little of it."""
    for name in LIBRARIES:
        importlib.import_module(name)
    # The first use of OpenSSL fills its tables: those of Python's copy and of cryptography's.
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    Ed25519PrivateKey.generate()
    # A collection writes to each object that it visits, which would copy the shared pages.
    gc.collect()
    gc.freeze()


def main() -> None:
    Options.imported_versions = installed_versions()
    _share_libraries()
    supervisord.ServerOptions = Options
    supervisord.main()


if __name__ == "__main__":
    main()
