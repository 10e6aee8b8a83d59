"""A sampling profiler: serves an application with Warble's server and counts where CPU time goes.

    python -m bench.sampler services.feed.main:create_app 8044 samples.json

A timer that runs on the process's CPU time interrupts it, so waiting and other processes do not
count. SIGUSR1 resets the counts. They are written to the file when the server has stopped.
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

from chassis.process.http_protocol import HttpProtocol

LOOP = "event loop: waking, reading"
_ELSEWHERE = "elsewhere"
_SECONDS = 0.001
_WARBLE = re.compile(r"/((?:gateway|services|chassis)/(?!process/http_protocol\.)[\w/]+)\.py$")
_SERVER = re.compile(r"/((?:uvicorn/protocols/[\w/]+)|chassis/process/http_protocol)\.py$")
_RUNNER = re.compile(r"/(?:asyncio/runners|uvicorn/_compat|uvloop/__init__)\.py$")
_RESUME = dis.opmap["RESUME"]
_AT_FUNCTION_START = 0

_samples: Counter[str] = Counter()


def _sample(_: int, frame: FrameType | None) -> None:
    _samples[_step(frame)] += 1


def _step(frame: FrameType | None) -> str:
    """The innermost function of Warble, else of uvicorn.

    Python handles a signal only at certain instructions. So a sample that belongs to the event loop
    itself appears at the first instruction of a callback or of a resumed coroutine.
    """
    if frame is None or _came_from_the_loop(frame):
        return LOOP
    for pattern in (_WARBLE, _SERVER):
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
    if code[frame.f_lasti + 1] != _AT_FUNCTION_START:
        return True
    return frame.f_back is not None and bool(_RUNNER.search(frame.f_back.f_code.co_filename))


def main() -> None:
    application, port, file = sys.argv[1:]
    signal.signal(signal.SIGPROF, _sample)
    signal.signal(signal.SIGUSR1, lambda *_: _samples.clear())
    # uvicorn raises the signal again after its shutdown; ignore it, to write the counts.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS, _SECONDS)
    uvicorn.run(
        application,
        factory=True,
        port=int(port),
        http=HttpProtocol,
        access_log=False,
        server_header=False,
        log_level="warning",
    )
    signal.setitimer(signal.ITIMER_PROF, 0)
    Path(file).write_text(json.dumps(_samples))


if __name__ == "__main__":
    main()
