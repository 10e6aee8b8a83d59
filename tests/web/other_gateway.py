"""A second gateway of the running system, which serves another page than Warble's own."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from devstack.instance import Instance
from devstack.repository import REPOSITORY
from tests.waiting import eventually


@contextlib.asynccontextmanager
async def gateway_with_page(stack: Instance, folder: Path, port: int) -> AsyncIterator[str]:
    """Gives its address; `folder` has the files of the page."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uvicorn", "gateway.main:create_app", "--factory",
        "--port", str(port), "--no-access-log",
        env={**stack.service_environment("gateway"), "GATEWAY_WEB_DIR": str(folder)},
        cwd=REPOSITORY,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as http:
            await eventually(lambda: _ready(http, url))
            assert process.returncode is None
        yield url
    finally:
        process.terminate()
        await process.wait()


async def _ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/health/live")).is_success
    except httpx.TransportError:
        return False
