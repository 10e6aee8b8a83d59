"""Serves an application as everything here is served, and counts where its processor time goes.

    python -m bench.sampler services.feed.main:create_app 8044 samples.json

A timer of the process's own CPU time interrupts it, so that neither waiting nor a busy machine
counts. SIGUSR1 begins counting anew; the counts are written when the server has stopped.
"""

import dis
import json
import re
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import uvicorn

from chassis.wire import Protocol

LOOP = "event loop: waking, reading"
_ELSEWHERE = "elsewhere"
_SECONDS = 0.001
_OURS = re.compile(r"/((?:gateway|services|chassis)/(?!wire\.)[\w/]+)\.py$")
_SERVER = re.compile(r"/((?:uvicorn/protocols/[\w/]+)|chassis/wire)\.py$")
_RUNNER = re.compile(r"/(?:asyncio/runners|uvicorn/_compat|uvloop/__init__)\.py$")
_RESUME = dis.opmap["RESUME"]
_AT_BEGIN = 0

_samples: Counter[str] = Counter()


def _sample(_: int, frame: FrameType | None) -> None:
    _samples[_step(frame)] += 1


def _step(frame: FrameType | None) -> str:
    """The innermost function of ours; else the server's.

    An interruption is noticed by the next instruction that looks for one: what came up in the loop
    itself is noticed where a callback begins or a coroutine goes on.
    """
    if frame is None or _came_from_the_loop(frame):
        return LOOP
    for pattern in (_OURS, _SERVER):
        one: FrameType | None = frame
        while one is not None:
            if found := pattern.search(one.f_code.co_filename):
                return f"{found[1].removeprefix('services/')}: {one.f_code.co_qualname}"
            one = one.f_back
    return LOOP if _RUNNER.search(frame.f_code.co_filename) else _ELSEWHERE


def _came_from_the_loop(frame: FrameType) -> bool:
    code = frame.f_code.co_code
    if frame.f_lasti < 0 or code[frame.f_lasti] != _RESUME:
        return False
    if code[frame.f_lasti + 1] != _AT_BEGIN:
        return True
    return frame.f_back is not None and bool(_RUNNER.search(frame.f_back.f_code.co_filename))


def main() -> None:
    application, port, file = sys.argv[1:]
    signal.signal(signal.SIGPROF, _sample)
    signal.signal(signal.SIGUSR1, lambda *_: _samples.clear())
    # The server raises again what stopped it: there are counts to be written still.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS, _SECONDS)
    uvicorn.run(
        application,
        factory=True,
        port=int(port),
        http=Protocol,
        access_log=False,
        server_header=False,
        log_level="warning",
    )
    signal.setitimer(signal.ITIMER_PROF, 0)
    Path(file).write_text(json.dumps(_samples))


if __name__ == "__main__":
    main()
