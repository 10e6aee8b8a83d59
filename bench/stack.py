"""The system that is measured: an instance of its own, and the yardstick beside it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local import health
from deploy.local.instance import Instance
from deploy.local.places import REPOSITORY

from .load import connect, request

SETTINGS = {
    "WARBLE_HOME": os.environ.get("WARBLE_BENCH_HOME", ".local/bench"),
    "WARBLE_PORT": os.environ.get("WARBLE_BENCH_PORT", "16000"),
    "WARBLE_ENV_FILE": "",
    "GATEWAY_RATE_LIMITS": "off",
}
HELLO_OFFSET = 70


def instance() -> Instance:
    return Instance(
        REPOSITORY / SETTINGS["WARBLE_HOME"], int(SETTINGS["WARBLE_PORT"]), {**SETTINGS}
    )


def local(*arguments: str, **settings: str) -> None:
    command = [sys.executable, "-m", "deploy.local", *arguments]
    environment = {**os.environ, **SETTINGS, **settings}
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True)


@contextmanager
def running() -> Iterator[Instance]:
    local("up")
    try:
        yield instance()
    finally:
        local("down")


@contextmanager
def hello(port: int) -> Iterator[tuple[str, int]]:
    """The yardstick's address and process id."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "uvicorn", "bench.hello:app", "--host", "127.0.0.1",
            "--port", str(port), "--no-access-log", "--no-server-header", "--log-level", "warning",
        ],
        cwd=REPOSITORY,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        asyncio.run(_answers(url))
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


async def _answers(url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                connection = await connect(url)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            await connection.ask(request(url, "/"))
            connection.close()
            return


def pids(stack: Instance) -> dict[str, int]:
    """The first process of each part that may take part in an answer, by the part's name."""
    return {process.name: process.pid for process in stack.supervisor.processes() if process.pid}


def wait_until_ready(stack: Instance) -> None:
    health.wait_for(stack.gateway_url, 60)
