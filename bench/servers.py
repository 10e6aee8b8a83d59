"""The hello servers, beside the system."""

import subprocess
import sys
import time
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
        _wait(process, url)
        yield Server(url, process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + 60
    while not health.http_status(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"The server at {url} does not answer.")
        time.sleep(0.05)
