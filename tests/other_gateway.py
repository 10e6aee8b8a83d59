"""A second gateway before the services of the running system."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable

from devstack import health
from devstack.instance import Instance
from devstack.repository import REPOSITORY
from tests.waiting import eventually


@contextlib.asynccontextmanager
async def gateway_beside(
    stack: Instance, new_port: Callable[[], int], **settings: str
) -> AsyncIterator[str]:
    """Gives the gateway's address when all parts of the system answer it. `settings` are variables
    that it has in addition."""
    port, internal = new_port(), f"127.0.0.1:{new_port()}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chassis", "serve", "gateway.main:create_app",
        "--host", "127.0.0.1", "--port", str(port),
        env={
            **stack.service_environment("gateway"),
            "GATEWAY_INTERNAL_ADDRESS": internal,
            **settings,
        },
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    async def is_healthy() -> bool:
        assert process.returncode is None
        return await asyncio.to_thread(health.is_healthy, f"http://{internal}")

    try:
        await eventually(is_healthy)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
