"""Probes as Kubernetes runs them, with the periods and thresholds of deploy/kubernetes.

A process that fails its readiness probe gets no requests, and its connections end. A process that
fails its liveness probe is killed, and its supervisor starts it again.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from devstack.instance import Instance
from devstack.repository import REPOSITORY

from .tcp_proxy import TcpProxy

_BASE = REPOSITORY / "deploy" / "kubernetes" / "base"
_LIVENESS, _READINESS = "livenessProbe", "readinessProbe"


@dataclass(frozen=True)
class Probe:
    path: str
    period_seconds: float
    timeout_seconds: float
    failures: int
    """The probe has failed after so many failures in a row."""


def probe_of(program: str, kind: str) -> Probe:
    """Reads a probe from the manifests. Missing fields get the defaults of Kubernetes."""
    found: dict[str, Any] = next(yaml.safe_load_all(_manifest(program).read_text()))
    (container,) = found["spec"]["template"]["spec"]["containers"]
    probe = container[kind]
    return Probe(
        probe["httpGet"]["path"],
        probe.get("periodSeconds", 10),
        probe.get("timeoutSeconds", 1),
        probe.get("failureThreshold", 3),
    )


def _manifest(program: str) -> Path:
    if program == "gateway":
        return _BASE / "gateway" / "gateway.yaml"
    if program.startswith("notifications-stream-"):
        return _BASE / "notifications" / "stream.yaml"
    return _BASE / "service" / ("worker.yaml" if program.endswith("-worker") else "api.yaml")


class Kubelet:
    def __init__(self, stack: Instance, proxies: Mapping[str, TcpProxy]) -> None:
        """`proxies` stand before the programs that serve requests; a worker has none."""
        self._stack = stack
        self._proxies = proxies
        self.probes = 0
        self.taken_out: list[str] = []
        """Programs that failed their readiness probe; a program appears once for each time."""
        self.restarted: list[str] = []

    @asynccontextmanager
    async def watching(self, programs: list[str]) -> AsyncIterator[None]:
        # Like the kubelet, it opens a connection for each probe.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(limits=limits, verify=False) as http:
            watching = [
                asyncio.create_task(watch(http, program))
                for program in programs
                for watch in (self._watch_readiness, self._watch_liveness)
            ]
            try:
                yield
            finally:
                for task in watching:
                    task.cancel()
                outcomes = await asyncio.gather(*watching, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _watch_readiness(self, http: httpx.AsyncClient, program: str) -> None:
        probe = probe_of(program, _READINESS)
        proxy = self._proxies.get(program)
        failed, ready = 0, True
        while True:
            failed = 0 if await self._succeeds(http, program, probe) else failed + 1
            if not failed and not ready:
                ready = True
                if proxy is not None:
                    await proxy.listen()
            elif failed >= probe.failures and ready:
                ready = False
                self.taken_out.append(program)
                if proxy is not None:
                    proxy.refuse()
            await asyncio.sleep(probe.period_seconds)

    async def _watch_liveness(self, http: httpx.AsyncClient, program: str) -> None:
        probe = probe_of(program, _LIVENESS)
        failed = 0
        while True:
            failed = 0 if await self._succeeds(http, program, probe) else failed + 1
            if failed >= probe.failures:
                failed = 0
                # A program that the fault stopped has no process to kill.
                if await asyncio.to_thread(self._stack.pid, program):
                    self.restarted.append(program)
                    await asyncio.to_thread(self._stack.kill, program)
            await asyncio.sleep(probe.period_seconds)

    async def _succeeds(self, http: httpx.AsyncClient, program: str, probe: Probe) -> bool:
        self.probes += 1
        try:
            async with asyncio.timeout(probe.timeout_seconds):
                response = await http.get(f"{self._stack.url(program)}{probe.path}")
        except (httpx.TransportError, TimeoutError):
            return False
        return response.status_code < 400
