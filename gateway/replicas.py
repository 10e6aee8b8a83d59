"""Where the replicas of a service are. One name may stand for several, and for others later."""

import asyncio
import itertools
import socket
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import structlog

LOOK_SECONDS = 5

log = structlog.get_logger()


class Replicas:
    """The addresses behind some URLs. Until the first look, and for a name that cannot be looked
    up, the URL stands as it was given."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._found = {url: [url] for url in urls}
        self._every = list(self._found)
        self._turns = itertools.count()
        self._down_until: dict[str, float] = {}

    def all(self) -> list[str]:
        return self._every

    def in_turn(self) -> list[str]:
        """The next in turn first, those seen down last."""
        every = self._every
        turn = next(self._turns) % len(every)
        ordered = every[turn:] + every[:turn]
        if self._down_until:
            now = time.monotonic()
            ordered.sort(key=lambda replica: self._down_until.get(replica, 0) > now)
        return ordered

    def down(self, replica: str, seconds: float) -> None:
        self._down_until[replica] = time.monotonic() + seconds

    async def look(self) -> None:
        """Asks the resolver anew for each name."""
        for url in self._found:
            try:
                self._found[url] = await _behind(url)
            except OSError as error:
                log.warning("replicas.not_found", url=url, error=repr(error))
        self._every = [replica for found in self._found.values() for replica in found]
        for gone in self._down_until.keys() - set(self._every):
            del self._down_until[gone]


async def _behind(url: str) -> list[str]:
    parts = urlsplit(url)
    port = parts.port or 80
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    hosts = sorted({str(address[0]) for *_, address in found})
    if len(hosts) == 1:
        # The name says more in logs and traces.
        return [url]
    return [f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}" for host in hosts]


async def look_up_repeatedly(services: Iterable[Replicas]) -> None:
    """Runs until it is cancelled."""
    held = list(services)
    while True:
        for replicas in held:
            await replicas.look()
        await asyncio.sleep(LOOK_SECONDS)
