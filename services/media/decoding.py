"""Where pictures are decoded: each in a process of its own, which ends when it takes too much.

What a crafted file makes a decoder do ends with that process. What the process says is checked, and
never unpickled.
"""

import asyncio
import contextlib
import json
import multiprocessing
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
from .pictures import Limits, NotAPicture, Picture, TooLarge

MEMORY_BYTES = 768 * 1024**2
"""All that a decoder may map."""
_SECONDS = 25
_TURN_SECONDS = 25
"""For the picture's turn to come. All in all it is less than the gateway waits."""
_SAID_BYTES = 1000

log = structlog.get_logger()


class TooCostly(Exception):
    """The picture takes more memory or time than one may have."""


class Busy(Exception):
    """There are too many pictures before this one, or the machine has too much else to do."""


_REFUSALS: dict[str, type[Exception]] = {
    refusal.__name__: refusal for refusal in (NotAPicture, TooLarge, TooCostly)
}


class Decoding:
    def __init__(self, limits: Limits, at_once: int) -> None:
        # This process has threads, so it is not forked, but one that has none.
        self._processes = multiprocessing.get_context("forkserver")
        # Each decoder loads what this process began with: once for all of them, or it takes longer
        # than the picture.
        begun = sys.modules["__main__"].__spec__
        self._processes.set_forkserver_preload([__name__, *([begun.name] if begun else [])])
        self._limits = limits
        self._room = asyncio.Semaphore(at_once)
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def turn(self, person: int) -> AsyncIterator[None]:
        """When there is room for a picture. One person's come one after another, so that nobody
        takes all of the room. Raises Busy."""
        own = self._turns.setdefault(person, asyncio.Lock())
        try:
            async with asyncio.timeout(_TURN_SECONDS) as patience, own, self._room:
                patience.reschedule(None)
                yield
        except TimeoutError as error:
            raise Busy from error

    async def clean(self, raw: bytes) -> Picture:
        """What `pictures.clean` makes of it. Raises NotAPicture, TooLarge, TooCostly and Busy."""
        return await asyncio.to_thread(self._apart, raw)

    def _apart(self, raw: bytes) -> Picture:
        ours, theirs = self._processes.Pipe()
        decoder = self._processes.Process(target=_decode, args=(theirs, self._limits), daemon=True)
        until = time.monotonic() + _SECONDS
        decoder.start()
        theirs.close()
        # Each wait below ends with the decoder, whatever it does or leaves undone.
        alarm = threading.Timer(_SECONDS, decoder.kill)
        alarm.start()
        try:
            ours.send_bytes(raw)
            return _picture(ours, self._limits)
        except (EOFError, OSError, ValueError) as error:
            decoder.kill()
            decoder.join()
            log.warning("decoder.ended", status=decoder.exitcode, error=repr(error))
            if time.monotonic() >= until:
                raise Busy from error
            if decoder.exitcode in (-signal.SIGXCPU, -signal.SIGKILL):
                raise TooCostly from error
            if decoder.exitcode and decoder.exitcode > 0:
                raise
            raise NotAPicture from error
        finally:
            alarm.cancel()
            ours.close()
            decoder.kill()
            decoder.join()


def _picture(decoder: Connection, limits: Limits) -> Picture:
    """Raises what the decoder refuses the file for, and ValueError, EOFError or OSError where it
    says nothing, too much, or nonsense."""
    said = json.loads(decoder.recv_bytes(_SAID_BYTES))
    if refusal := _REFUSALS.get(said.get("refusal")):
        raise refusal
    kind, width, height = said["kind"], int(said["width"]), int(said["height"])
    if kind not in pictures.TYPES or not 0 < width * height <= limits.pixels:
        raise ValueError("no such picture")
    content = decoder.recv_bytes(limits.written)
    return Picture(kind, content, width, height, decoder.recv_bytes(pictures.THUMBNAIL_BYTES))


def _decode(parent: Connection, limits: Limits) -> None:
    """Runs in the decoder's process."""
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    # Where the machine's memory ends all the same, this process goes first.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        picture = pictures.clean(parent.recv_bytes(), limits)
    except MemoryError:
        _say(parent, refusal=TooCostly.__name__)
    except (NotAPicture, TooLarge) as refusal:
        _say(parent, refusal=type(refusal).__name__)
    else:
        _say(parent, kind=picture.kind, width=picture.width, height=picture.height)
        parent.send_bytes(picture.content)
        parent.send_bytes(picture.thumbnail)


def _say(parent: Connection, **words: str | int) -> None:
    parent.send_bytes(json.dumps(words).encode())
