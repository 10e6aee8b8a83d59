"""Runs `pictures.clean` in a process for each picture, with limited memory, CPU time and files.

A crafted file may take over its decoder, but not the service: the process ends with the picture,
and its answer is JSON and bytes, which are checked and never unpickled.
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from pathlib import Path
from weakref import WeakValueDictionary

import structlog

from . import pictures
from .pictures import BudgetExceeded, LimitExceeded, Limits, NotAPicture, Picture

MEMORY_BYTES = 768 * 1024**2
"""Address space of a decoder (RLIMIT_AS)."""
_SECONDS = 25
_TURN_SECONDS = 25
"""For the picture's turn to come. Both together are less than the gateway waits."""
_ANSWER_BYTES = 1000

log = structlog.get_logger()


_OUT_OF_BUDGET = (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGABRT, -signal.SIGTRAP)
"""How a decoder ends at one of its limits: GLib aborts when it gets no memory, or no thread."""


class Busy(Exception):
    """Too many pictures wait before this one, or the machine is too busy."""


_REFUSALS: dict[str, type[Exception]] = {
    refusal.__name__: refusal for refusal in (NotAPicture, BudgetExceeded)
}


class Decoding:
    def __init__(self, limits: Limits, at_once: int) -> None:
        # A thread's malloc arena reserves 128 MB of address space, which RLIMIT_AS counts. glibc
        # reads this variable when the fork server starts.
        os.environ.setdefault("MALLOC_ARENA_MAX", "1")
        # This process has threads, so it must not be forked: a fork server without threads is.
        self._processes = multiprocessing.get_context("forkserver")
        # Each decoder imports the main module of this process, which takes longer than a picture:
        # the fork server imports it once for all.
        begun = sys.modules["__main__"].__spec__
        self._processes.set_forkserver_preload([__name__, *([begun.name] if begun else [])])
        self.limits = limits
        self._room = asyncio.Semaphore(at_once)
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def turn(self, person: int) -> AsyncIterator[None]:
        """Waits for room. One person's pictures are decoded one after another, so that no person
        takes all of the room. Raises Busy."""
        own = self._turns.setdefault(person, asyncio.Lock())
        try:
            async with asyncio.timeout(_TURN_SECONDS) as patience, own, self._room:
                patience.reschedule(None)
                yield
        except TimeoutError as error:
            raise Busy from error

    async def clean(self, raw: bytes) -> Picture:
        """The result of `pictures.clean`. Raises the same exceptions, and Busy."""
        return await asyncio.to_thread(self._apart, raw)

    def _apart(self, raw: bytes) -> Picture:
        ours, theirs = self._processes.Pipe()
        decoder = self._processes.Process(target=_decode, args=(theirs, self.limits), daemon=True)
        until = time.monotonic() + _SECONDS
        decoder.start()
        theirs.close()
        # Each wait below ends with the decoder, whatever it does or leaves undone.
        alarm = threading.Timer(_SECONDS, decoder.kill)
        alarm.start()
        try:
            ours.send_bytes(raw)
            return _picture(ours, self.limits)
        except (EOFError, OSError, ValueError) as error:
            decoder.kill()
            decoder.join()
            log.warning("decoder.ended", status=decoder.exitcode, error=repr(error))
            if time.monotonic() >= until:
                raise Busy from error
            if decoder.exitcode in _OUT_OF_BUDGET:
                raise BudgetExceeded from error
            if decoder.exitcode and decoder.exitcode > 0:
                raise
            raise NotAPicture from error
        finally:
            alarm.cancel()
            ours.close()
            decoder.kill()
            decoder.join()


def _picture(decoder: Connection, limits: Limits) -> Picture:
    """Raises the decoder's refusal, and ValueError, EOFError or OSError if its answer is missing,
    too long or nonsense."""
    answer = json.loads(decoder.recv_bytes(_ANSWER_BYTES))
    if refusal := _REFUSALS.get(answer.get("refusal")):
        raise refusal
    if unit := answer.get("exceeded"):
        if unit not in ("pixels", "frames"):
            raise ValueError("The decoder checks no such limit.")
        raise LimitExceeded(unit, int(answer["limit"]), int(answer["actual"]))
    kind, width, height = answer["kind"], int(answer["width"]), int(answer["height"])
    if kind not in pictures.TYPES or not 0 < width * height <= limits.pixels:
        raise ValueError("The decoder's answer is no picture.")
    content = decoder.recv_bytes(limits.encoded_bytes)
    thumbnail = decoder.recv_bytes(pictures.THUMBNAIL_BYTES)
    return Picture(kind, content, width, height, thumbnail, bool(answer["first_frame_only"]))


def _decode(parent: Connection, limits: Limits) -> None:
    """Runs in the decoder's process."""
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    # If the machine runs out of memory, the kernel kills this process first.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        picture = pictures.clean(parent.recv_bytes(), limits)
    except MemoryError:
        _answer(parent, refusal=BudgetExceeded.__name__)
    except (NotAPicture, BudgetExceeded) as refusal:
        _answer(parent, refusal=type(refusal).__name__)
    except LimitExceeded as refusal:
        _answer(parent, exceeded=refusal.unit, limit=refusal.limit, actual=refusal.actual)
    else:
        _answer(
            parent,
            kind=picture.kind,
            width=picture.width,
            height=picture.height,
            first_frame_only=picture.first_frame_only,
        )
        parent.send_bytes(picture.content)
        parent.send_bytes(picture.thumbnail)


def _answer(parent: Connection, **facts: object) -> None:
    parent.send_bytes(json.dumps(facts).encode())
