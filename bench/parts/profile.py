"""Where the time of one feed read goes, step by step, as samples of the stacks show it."""

import asyncio
import re
import subprocess
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import stack
from bench.accounting import Meter
from bench.load import always, closed
from bench.scene import FEED, Scene
from deploy.local.places import tool

_PROCESSES = ("gateway", "feed-api-1")
_SAMPLES_A_SECOND = 250
_OURS = re.compile(r"^(\S+) \((?:.*/)?((?:gateway|services|chassis)/[\w/]+)\.py")
_SERVER = re.compile(r"^(\S+) \((?:.*/)?(uvicorn/protocols/[\w/]+)\.py")
_ELSEWHERE = "elsewhere in the interpreter"
LOOP = "event loop: waiting, waking, reading"
STEPS = 14
"""The dearest of a process; the others are one."""


async def measure(scene: Scene) -> dict[str, Any]:
    """Microseconds a read, by process and step; one reader at a time, so that nobody is in the way.

    Samples are of what holds the interpreter. The rest of a process's CPU time is its loop's.
    """
    await scene.ordinary()
    pids = {name: stack.pids(scene.system)[name] for name in _PROCESSES}
    seconds = scene.sizes.profile_seconds
    await closed(scene.urls, always(scene.get(FEED)), scene.sizes.reads, 1)
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in _PROCESSES}
        samplers = [await _sampler(pids[name], file, seconds) for name, file in files.items()]
        meter = Meter(pids)
        reads, took = await _reads_until_ended(scene, samplers)
        used = meter.used(scene.rest)
        for sampler in samplers:
            if sampler.returncode:
                assert sampler.stderr is not None
                raise RuntimeError(f"py-spy: {(await sampler.stderr.read()).decode()[-300:]}")
        sampled = reads / took * seconds * _SAMPLES_A_SECOND / 1e6
        found = {
            name: _steps(_samples(file.read_text()), sampled, used[name] / reads * 1e6)
            for name, file in files.items()
        }
    for name, steps in found.items():
        scene.say(f"{name}: {sum(steps.values()):.0f} µs, of which {next(iter(steps))} most")
    return found


async def _sampler(pid: int, file: Path, seconds: int) -> asyncio.subprocess.Process:
    """It does not stop the process to look: one that is stopped is found where it was stopped."""
    return await asyncio.create_subprocess_exec(
        tool("py-spy"), "record", "--pid", str(pid), "--duration", str(seconds),
        "--rate", str(_SAMPLES_A_SECOND), "--gil", "--nonblocking", "--format", "raw",
        "--output", file,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


async def _reads_until_ended(
    scene: Scene, samplers: list[asyncio.subprocess.Process]
) -> tuple[int, float]:
    """How many reads there were, in how many seconds."""
    reads, seconds = 0, 0.0
    while any(sampler.returncode is None for sampler in samplers):
        measured = await closed(scene.urls, always(scene.get(FEED)), 200, 1)
        reads += measured.answered
        seconds += measured.seconds
    return reads, seconds


def _samples(stacks: str) -> Counter[str]:
    """How many samples were in which step."""
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, number = line.rpartition(" ")
        samples[_step(frames.split(";"))] += int(number)
    return samples


def _steps(samples: Counter[str], sampled: float, micros: float) -> dict[str, float]:
    """Microseconds by step, the dearest first; `sampled` is samples a microsecond of each read."""
    within = samples.total() / sampled
    # A process that is kept from the processor while it holds the interpreter is sampled on.
    scale = min(1.0, micros / within if within else 0.0) / sampled
    dearest = dict(samples.most_common(STEPS))
    steps = {name: number * scale for name, number in dearest.items()}
    if len(samples) > STEPS:
        steps["all others"] = (samples.total() - sum(dearest.values())) * scale
    return {LOOP: max(0.0, micros - within), **steps}


def _step(frames: list[str]) -> str:
    """The innermost function of ours; else the server's."""
    for pattern in (_OURS, _SERVER):
        for frame in reversed(frames):
            if found := pattern.match(frame):
                function, module = found.groups()
                return f"{module.removeprefix('services/')}: {function}"
    return _ELSEWHERE
