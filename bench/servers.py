"""The hello servers, beside the system."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from devstack import health
from devstack.repository import REPOSITORY


@dataclass(frozen=True)
class Server:
    url: str
    pid: int


@contextmanager
def serving(application: str, port: int) -> Iterator[Server]:
    """Runs an ASGI application in one process, under plain uvicorn."""
    command = [
        "uvicorn", application, "--host", "127.0.0.1", "--port", str(port),
        "--no-access-log", "--no-server-header", "--log-level", "warning",
        "--timeout-keep-alive", "120",
    ]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=REPOSITORY)
    try:
        url = f"http://127.0.0.1:{port}"
        health.wait_until(lambda: health.http_status(url) == 200, 60, url)
        yield Server(url, process.pid)
    finally:
        process.terminate()
        process.wait()
