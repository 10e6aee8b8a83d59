"""Where the time of one feed read goes, step by step: shares of samples, times what it costs."""

import asyncio
import re
import subprocess
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import stack
from bench.load import always, closed
from bench.measure import figure
from bench.scene import FEED, Scene
from deploy.local.places import tool

_PROCESSES = ("gateway", "feed-api-1")
_SAMPLES_A_SECOND = 250
_OURS = re.compile(r"^(\w+) \((?:.*/)?((?:gateway|services|chassis)/[\w/]+)\.py")
_SERVER = re.compile(r"^(\w+) \((?:.*/)?(uvicorn)/")
LOOP = "event loop: waking, reading, writing"
STEPS = 12
"""The dearest of a process; the others are one."""


async def measure(scene: Scene) -> dict[str, Any]:
    await scene.ordinary()
    ask = scene.get(FEED)
    cost = await figure(scene, "feed, page fresh", always(ask), scene.sizes.reads, turns=3)
    pids = stack.pids(scene.system)
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in _PROCESSES}
        samplers = [
            await _sampler(pids[name], file, scene.sizes.profile_seconds)
            for name, file in files.items()
        ]
        asking = asyncio.create_task(_ask_until(scene, samplers))
        told = [await sampler.communicate() for sampler in samplers]
        await asking
        for sampler, (_, error) in zip(samplers, told, strict=True):
            if sampler.returncode:
                raise RuntimeError(f"py-spy: {error.decode()[-300:]}")
        stacks = {name: file.read_text() for name, file in files.items()}
    return {
        "times_hello": cost["times_hello"],
        "processes": {
            name: _steps(text, cost["us_by_part"].get(name, 0.0)) for name, text in stacks.items()
        },
    }


async def _sampler(pid: int, file: Path, seconds: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        tool("py-spy"), "record", "--pid", str(pid), "--duration", str(seconds),
        "--rate", str(_SAMPLES_A_SECOND), "--format", "raw", "--output", file,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


async def _ask_until(scene: Scene, samplers: list[asyncio.subprocess.Process]) -> None:
    ask = scene.get(FEED)
    while any(sampler.returncode is None for sampler in samplers):
        await closed(scene.urls, always(ask), 500)


def _steps(stacks: str, micros: float) -> dict[str, float]:
    """Microseconds by step, the dearest first."""
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, number = line.rpartition(" ")
        samples[_step(frames.split(";"))] += int(number)
    whole = samples.total() or 1
    first = samples.most_common(STEPS)
    steps = {name: number / whole * micros for name, number in first}
    others = (whole - sum(number for _, number in first)) / whole * micros
    return {**steps, "all others": others} if len(samples) > STEPS else steps


def _step(frames: list[str]) -> str:
    """The innermost function of ours; else the server's; else it is the loop itself."""
    for pattern in (_OURS, _SERVER):
        for frame in reversed(frames):
            if found := pattern.match(frame):
                function, module = found.groups()
                return f"{module.removeprefix('services/')}: {function}"
    return LOOP
