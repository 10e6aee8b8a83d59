"""The addresses of a service's replicas, from URLs whose host names are resolved again and again.

One name may stand for several replicas (a headless Service in Kubernetes, `--scale` in Compose),
and for others later. A resolver cache or a connection pool would hide that, so the gateway resolves
the names itself every five seconds.
"""

import asyncio
import socket
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import structlog

RESOLVE_INTERVAL_SECONDS = 5

log = structlog.get_logger()


class ReplicaSet:
    """The replicas of one service.

    A URL is used as it is until its name is resolved for the first time, and whenever its name
    resolves to one address: a name is easier to read than an address in logs and traces. When the
    resolver fails, the addresses that were found before stay in use.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        self._found = {url: [url] for url in urls}
        self._replicas = list(self._found)
        self._turn = 0
        self._down_until: dict[str, float] = {}

    def all(self) -> list[str]:
        return self._replicas

    def candidates(self) -> list[str]:
        """All replicas in round-robin order; those that are marked as down come last. The next
        call begins with the next replica."""
        self.advance()
        return self._ordered(self._turn - 1)

    def next(self) -> str:
        """The first of `candidates`, whose turn it still is after this call."""
        return self._ordered(self._turn)[0]

    def advance(self) -> None:
        """It is the next replica's turn."""
        self._turn += 1

    def _ordered(self, turn: int) -> list[str]:
        replicas = self._replicas
        first = turn % len(replicas)
        ordered = replicas[first:] + replicas[:first]
        if self._down_until:
            now = time.monotonic()
            ordered.sort(key=lambda replica: self._down_until.get(replica, 0) > now)
        return ordered

    def preferred(self) -> list[str]:
        """The replicas that are not marked as down; all of them if none is left."""
        return self._up() or self._replicas

    def are_down(self) -> bool:
        """Whether all replicas are marked as down."""
        return not self._up()

    def _up(self) -> list[str]:
        """The replicas that are not marked as down."""
        if not self._down_until:
            return self._replicas
        now = time.monotonic()
        return [replica for replica in self._replicas if self._down_until.get(replica, 0) <= now]

    def mark_down(self, replica: str, seconds: float) -> None:
        """For so many seconds, the replica is tried only after all others."""
        self._down_until[replica] = time.monotonic() + seconds

    async def resolve(self) -> None:
        for url in self._found:
            try:
                self._found[url] = await _resolve(url)
            except OSError as error:
                log.warning("service_discovery.resolve_failed", url=url, error=repr(error))
        self._replicas = [replica for found in self._found.values() for replica in found]
        for removed in self._down_until.keys() - set(self._replicas):
            del self._down_until[removed]


async def _resolve(url: str) -> list[str]:
    """A URL for each address of the host; the URL itself if there is only one."""
    parts = urlsplit(url)
    port = parts.port or 80
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    hosts = sorted({str(address[0]) for *_, address in found})
    if len(hosts) == 1:
        return [url]
    return [f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}" for host in hosts]


async def resolve_repeatedly(services: Iterable[ReplicaSet]) -> None:
    """Runs until it is cancelled."""
    replica_sets = list(services)
    while True:
        for replicas in replica_sets:
            await replicas.resolve()
        await asyncio.sleep(RESOLVE_INTERVAL_SECONDS)
