"""Serves an application of this process as `chassis serve` does, for tests of its connections."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from chassis.process.http_protocol import HttpProtocol


@contextlib.asynccontextmanager
async def serving(application: Any) -> AsyncIterator[str]:
    """Serves it at a Unix socket, and gives the path of the socket."""
    config = uvicorn.Config(application, lifespan="off", log_config=None, server_header=False)
    config.load()
    state = ServerState()
    create = partial(HttpProtocol, config, state, {})
    with tempfile.TemporaryDirectory(prefix="warble-") as folder:
        server = await asyncio.get_running_loop().create_unix_server(create, f"{folder}/socket")
        try:
            yield f"{folder}/socket"
        finally:
            server.close()
            for connection in list(state.connections):
                connection.transport.abort()
            while state.connections:
                await asyncio.sleep(0.01)
