"""`python -m chassis serve services.feed.api_process:create_app --port 8040`: runs one process.

Graceful shutdown: for DRAIN_SECONDS after a stop signal, the server still accepts requests, and
every response carries `Connection: close`. So clients that pool connections, the gateway among
them, take this process out of their pools before the idle connections close. Without this, a client
could send a request at the very moment in which its idle connection closes, and the request would
fail.

An application that has an `internal_address` is served at that address too. One that has a `drain`
gets it called and awaited meanwhile, to end responses that would stay open for ever.
"""

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable

import uvicorn
from uvicorn.importer import import_from_string

from chassis import failpoints
from chassis.process.http_protocol import MAX_CONNECTIONS, HttpProtocol

DRAIN_SECONDS = 1
SHUTDOWN_TIMEOUT_SECONDS = 10
"""For requests that are in progress when the server shuts down."""
KEEP_ALIVE_SECONDS = 75
"""Longer than the gateway keeps an idle connection, so that the gateway is the one to close it."""
ACCEPTS_PER_LOOP_TURN = 16
"""New connections that are accepted in one turn of the event loop.

libuv accepts one connection per turn from each listening socket (libuv#3696). Under load a turn is
long, and a new client would wait for seconds. So the server listens on this many copies of its
socket."""
MAX_OPEN_FILES = 2 * MAX_CONNECTIONS + 2_000
"""In the gateway each connection may need another one to a service. The usual limit of a process is
1,024 files."""


async def _nothing() -> None:
    pass


class Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]] = _nothing
    ) -> None:
        super().__init__(config)
        self._drain = drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.server_state.default_headers.append((b"connection", b"close"))
        if not self.force_exit:
            await asyncio.gather(asyncio.sleep(DRAIN_SECONDS), self._drain())
        await super().shutdown(sockets)


def _raise_open_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), int(port)), family=family)


def serve(factory: str, host: str, port: int) -> int:
    """Runs the application that `factory` (`module:function`) creates, until a signal stops it.

    Returns the exit status: 3, as uvicorn's own, if the application did not start.
    """
    failpoints.configure()
    _raise_open_file_limit()
    application = import_from_string(factory)()
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        # The process writes its own log (chassis/observability/logging and access_log).
        access_log=False,
        log_config=None,
        server_header=False,
        http=HttpProtocol,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = Server(config, getattr(application, "drain", _nothing))
    listening = config.bind_socket()
    sockets = [listening, *(listening.dup() for _ in range(ACCEPTS_PER_LOOP_TURN - 1))]
    if internal_address := getattr(application, "internal_address", None):
        sockets.append(_listen(internal_address))
    server.run(sockets)
    return 0 if server.started else 3
