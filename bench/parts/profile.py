"""Where the time of one feed read goes, step by step."""

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
from bench.accounting import Meter
from bench.load import Ask, always, closed
from bench.scene import FEED, Scene
from bench.servers import Server, sampled
from bench.wire import request

STEPS = 18
"""The dearest of a process; the others are one."""
_CONNECTIONS = 4


async def measure(scene: Scene) -> dict[str, Any]:
    """Microseconds a read, by process and step, of a gateway and a feed that are sampled."""
    await scene.ordinary()
    system = scene.system
    feed, gateway = (system.offset(port) for port in stack.SAMPLED)
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
            micros = await _read(scene, {"gateway": before, "feed-api": behind})
        samples = {name: Counter(json.loads(file.read_text())) for name, file in files.items()}
    found = {name: _steps(samples[name], micros[name]) for name in files}
    for name, steps in found.items():
        dearest = next(iter(steps))
        scene.say(f"{name}: {micros[name]:.0f} µs, {steps[dearest]:.0f} of it in {dearest}")
    return found


async def _read(scene: Scene, servers: dict[str, Server]) -> dict[str, float]:
    """Microseconds of a read by process, as the operating system counts them."""
    url = servers["gateway"].url
    read = Ask(request(url, FEED, headers={"api-key": scene.reader.key}))
    await closed([url], always(read), scene.sizes.reads, _CONNECTIONS)
    for server in servers.values():
        os.kill(server.pid, signal.SIGUSR1)
    meter = Meter({name: server.pid for name, server in servers.items()})
    reads = 0
    end = time.monotonic() + scene.sizes.profile_seconds
    while time.monotonic() < end:
        reads += (await closed([url], always(read), scene.sizes.reads, _CONNECTIONS)).answered
    return {name: used / reads * 1e6 for name, used in meter.used().items()}


def _steps(samples: Counter[str], micros: float) -> dict[str, float]:
    """Microseconds by step, the dearest first."""
    scale = micros / (samples.total() or 1)
    dearest = dict(samples.most_common(STEPS))
    steps = {name: number * scale for name, number in dearest.items()}
    if len(samples) > STEPS:
        steps["all others"] = (samples.total() - sum(dearest.values())) * scale
    return steps
