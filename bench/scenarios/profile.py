"""Where one feed read spends its CPU time, by function."""

import json
import os
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import stack
from bench.accounting import CpuMeter
from bench.fixture import FEED, Fixture
from bench.load import Request, always, closed_loop
from bench.raw_http import encode_request
from bench.servers import Server, sampled

STEPS = 18
"""The most expensive functions per process; the others are summed up."""
_CONNECTIONS = 4


async def measure(fixture: Fixture) -> dict[str, Any]:
    """Microseconds per read by process and function, from a profiled gateway and feed."""
    await fixture.ordinary()
    system = fixture.system
    feed, gateway = (system.port_of(port) for port in stack.SAMPLED)
    with TemporaryDirectory() as folder:
        files = {"gateway": Path(folder) / "gateway", "feed-api": Path(folder) / "feed"}
        with ExitStack() as servers:
            environment = system.service_environment("feed")
            behind = servers.enter_context(
                sampled("services.feed.main:create_app", feed, environment, files["feed-api"])
            )
            environment = system.service_environment("gateway")
            environment["GATEWAY_FEED_URLS"] = behind.url
            before = servers.enter_context(
                sampled("gateway.main:create_app", gateway, environment, files["gateway"])
            )
            micros = await _read(fixture, {"gateway": before, "feed-api": behind})
        samples = {name: Counter(json.loads(file.read_text())) for name, file in files.items()}
    found = {name: _steps(samples[name], micros[name]) for name in files}
    for name, steps in found.items():
        top = next(iter(steps))
        fixture.say(f"{name}: {micros[name]:.0f} µs, {steps[top]:.0f} of it in {top}")
    return found


async def _read(fixture: Fixture, servers: dict[str, Server]) -> dict[str, float]:
    """Microseconds per read by process, as the operating system counts them."""
    url = servers["gateway"].url
    read = Request(encode_request(url, FEED, headers={"api-key": fixture.reader.key}))
    await closed_loop([url], always(read), fixture.sizes.reads, _CONNECTIONS)
    for server in servers.values():
        os.kill(server.pid, signal.SIGUSR1)
    meter = CpuMeter({name: server.pid for name, server in servers.items()})
    reads = 0
    end = time.monotonic() + fixture.sizes.profile_seconds
    while time.monotonic() < end:
        reads += (
            await closed_loop([url], always(read), fixture.sizes.reads, _CONNECTIONS)
        ).answered
    return {name: used / reads * 1e6 for name, used in meter.used().items()}


def _steps(samples: Counter[str], micros: float) -> dict[str, float]:
    """Microseconds by function, the most expensive first."""
    scale = micros / (samples.total() or 1)
    top = dict(samples.most_common(STEPS))
    steps = {name: number * scale for name, number in top.items()}
    if len(samples) > STEPS:
        steps["all others"] = (samples.total() - sum(top.values())) * scale
    return steps
