"""What is measured beside the system: the yardstick, and the floor."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deploy.local import health
from deploy.local.places import REPOSITORY


@dataclass(frozen=True)
class Server:
    url: str
    pid: int


@contextmanager
def serving(application: str, port: int, **settings: str) -> Iterator[Server]:
    """One process of an ASGI application, under the server that everything runs under."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port",
            str(port), "--no-access-log", "--no-server-header", "--log-level", "warning",
        ],
        cwd=REPOSITORY,
        env={**os.environ, **settings},
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url)
        yield Server(url, process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + 60
    while not health.answers_http(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"{url} does not answer.")
        time.sleep(0.05)
