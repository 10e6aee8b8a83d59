"""`python -m chassis.serve services.feed.main:create_app --port 8040`: a process of ours.

It ends gently: for a moment each answer says that its connection ends with it, so that who keeps
connections takes no more of them from here. Then no request is on its way when the idle ones close.

An application that has an `internal_address` also gets the requests that come there.
"""

import argparse
import asyncio
import resource
import socket
import sys

import uvicorn
from uvicorn.importer import import_from_string

from .wire import CONNECTIONS, Protocol

LEAVING_SECONDS = 1
GRACE_SECONDS = 10
"""For the requests that are under way."""
KEEP_ALIVE_SECONDS = 75
"""Longer than the gateway keeps a connection that nobody uses."""
ACCEPTED_AT_ONCE = 16
"""New connections in one turn of the loop. libuv takes one for each listening socket (libuv#3696):
where turns are long, since much is asked, whoever comes new would wait for seconds."""
OPEN_FILES = 2 * CONNECTIONS + 2_000
"""A connection may need one to another service; by custom a process has 1,024."""


class Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.server_state.default_headers.append((b"connection", b"close"))
        if not self.force_exit:
            await asyncio.sleep(LEAVING_SECONDS)
        await super().shutdown(sockets)


def _may_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def _bound(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), int(port)), family=family)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m chassis.serve", description=__doc__)
    parser.add_argument("factory", help="what makes the application: module:function")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args(arguments)
    _may_open_files()
    application = import_from_string(chosen.factory)()
    config = uvicorn.Config(
        application,
        host=chosen.host,
        port=chosen.port,
        # The processes write lines of their own (chassis/access_log, chassis/telemetry).
        access_log=False,
        log_config=None,
        server_header=False,
        http=Protocol,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = Server(config)
    listening = config.bind_socket()
    sockets = [listening, *(listening.dup() for _ in range(ACCEPTED_AT_ONCE - 1))]
    if internal := getattr(application, "internal_address", None):
        sockets.append(_bound(internal))
    server.run(sockets)
    return 0 if server.started else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
