"""Decodes each picture in a separate process, with limited resources (`picture_decoding`).

Image decoders are large C libraries, and people upload what they like. A crafted file can crash a
decoder, make it use very much memory or time, or even run code in it. Therefore a decoder runs in a
process of its own, which serves one picture and then ends. Resource limits of the kernel bound its
memory and CPU time, and it cannot write to files. If it exceeds a limit, only this upload fails.

The two processes talk over a pipe. The parent sends the upload as bytes. The decoder replies with a
short JSON object, either an error or the facts about the picture, and then sends the new picture
and its thumbnail, or the three sizes of a portrait, as bytes. The parent trusts none of it: it
limits the size of each message, checks the facts, and never unpickles anything, since unpickling
can run code.

The processes are forked from a fork server that has imported libvips already, because starting
Python and importing libvips takes longer than decoding most pictures. The parent does not import
libvips.
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import structlog

from . import pictures
from .pictures import (
    BudgetExceeded,
    LimitExceeded,
    Limits,
    NotAPicture,
    Picture,
    PortraitFiles,
    Square,
    SquareOutside,
)

MEMORY_BYTES = 768 * 1024**2
"""Address space of a decoder (RLIMIT_AS)."""
_TIMEOUT_SECONDS = 25
"""For a decoder process, in wall-clock time."""
_QUEUE_TIMEOUT_SECONDS = 25
"""For the wait before a decoder starts. Both together are less than the gateway's timeout."""
_MAX_REPLY_BYTES = 1000
_COLOUR = re.compile("#[0-9a-f]{6}")

log = structlog.get_logger()


_LIMIT_EXIT_CODES = (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGABRT, -signal.SIGTRAP)
"""Exit codes of a decoder that reached a limit. GLib aborts if it gets no memory or no thread."""


class DecoderBusy(Exception):
    """Too many pictures are waiting, or the machine is too slow now."""


_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error for error in (NotAPicture, BudgetExceeded, SquareOutside)
}

T = TypeVar("T")
Work = Callable[[bytes, Limits], tuple[dict[str, Any], Sequence[bytes]]]
"""What a decoder does with an upload: the facts of its reply, and the contents that follow."""


class Decoder:
    """Starts the decoder processes. At most `max_processes` run at the same time."""

    def __init__(self, limits: Limits, max_processes: int) -> None:
        # The malloc arena of each thread reserves 128 MB of address space, which RLIMIT_AS counts.
        # glibc reads this variable when the fork server starts.
        os.environ.setdefault("MALLOC_ARENA_MAX", "1")
        # This process has threads, so forking it is unsafe. The fork server has none.
        self._processes = multiprocessing.get_context("forkserver")
        # Each decoder needs the main module of this process, whose import takes longer than
        # decoding a picture. The fork server imports it once.
        main_spec = sys.modules["__main__"].__spec__
        self._processes.set_forkserver_preload(
            [__name__, f"{__package__}.picture_decoding", *([main_spec.name] if main_spec else [])]
        )
        self.limits = limits
        self._slots = asyncio.Semaphore(max_processes)
        self._person_locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def slot(self, person_id: int) -> AsyncIterator[None]:
        """Waits for a free decoder, and holds it while the context is open. Pictures of one person
        are decoded one after another, so that nobody occupies all decoders. Raises DecoderBusy."""
        person_lock = self._person_locks.setdefault(person_id, asyncio.Lock())
        try:
            async with (
                asyncio.timeout(_QUEUE_TIMEOUT_SECONDS) as deadline,
                person_lock,
                self._slots,
            ):
                deadline.reschedule(None)
                yield
        except TimeoutError as error:
            raise DecoderBusy from error

    async def clean(self, raw: bytes) -> Picture:
        """The result of `picture_decoding.clean`. Raises the same exceptions, and DecoderBusy."""
        return await asyncio.to_thread(self._decode_in_process, raw, _clean, _receive_picture)

    async def portrait(self, raw: bytes, square: Square | None) -> PortraitFiles:
        """The result of `picture_decoding.portrait`. Raises the same, and DecoderBusy."""
        work = partial(_portrait, square=square)
        return await asyncio.to_thread(self._decode_in_process, raw, work, _receive_portrait)

    def _decode_in_process(
        self,
        raw: bytes,
        work: Work,
        receive: Callable[[dict[str, Any], Connection, Limits], T],
    ) -> T:
        parent_end, decoder_end = self._processes.Pipe()
        process = self._processes.Process(
            target=_decoder_main, args=(decoder_end, self.limits, work), daemon=True
        )
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        process.start()
        decoder_end.close()
        # Every wait below ends when the decoder ends, and this timer ends it in any case.
        timer = threading.Timer(_TIMEOUT_SECONDS, process.kill)
        timer.start()
        try:
            parent_end.send_bytes(raw)
            return receive(_receive_facts(parent_end), parent_end, self.limits)
        except (EOFError, OSError, ValueError) as error:
            process.kill()
            process.join()
            log.warning("decoder.failed", status=process.exitcode, error=repr(error))
            if time.monotonic() >= deadline:
                raise DecoderBusy from error
            if process.exitcode in _LIMIT_EXIT_CODES:
                raise BudgetExceeded from error
            if process.exitcode and process.exitcode > 0:
                raise
            raise NotAPicture from error
        finally:
            timer.cancel()
            parent_end.close()
            process.kill()
            process.join()


def _receive_facts(connection: Connection) -> dict[str, Any]:
    """Raises the decoder's error, and ValueError, EOFError or OSError if its reply is missing, too
    long or invalid, as do the functions below."""
    reply: dict[str, Any] = json.loads(connection.recv_bytes(_MAX_REPLY_BYTES))
    if error := _ERRORS.get(str(reply.get("error"))):
        raise error
    if unit := reply.get("exceeded"):
        if unit not in ("pixels", "frames"):
            raise ValueError("The decoder checks no such limit.")
        raise LimitExceeded(unit, int(reply["limit"]), int(reply["actual"]))
    return reply


def _receive_picture(reply: dict[str, Any], connection: Connection, limits: Limits) -> Picture:
    kind, width, height = reply["kind"], int(reply["width"]), int(reply["height"])
    if kind not in pictures.TYPES or not 0 < width * height <= limits.pixels:
        raise ValueError("The decoder's reply is not a valid picture.")
    colour = reply["colour"]
    if colour is not None and not _COLOUR.fullmatch(colour):
        raise ValueError("The decoder's reply has no valid colour.")
    content = connection.recv_bytes(limits.encoded_bytes)
    thumbnail = connection.recv_bytes(pictures.THUMBNAIL_BYTES)
    first_frame_only = bool(reply["first_frame_only"])
    return Picture(kind, content, width, height, thumbnail, colour, first_frame_only)


def _receive_portrait(_: dict[str, Any], connection: Connection, limits: Limits) -> PortraitFiles:
    return PortraitFiles(
        *(connection.recv_bytes(pictures.THUMBNAIL_BYTES) for _ in pictures.PORTRAIT_SIDES)
    )


def _clean(raw: bytes, limits: Limits) -> tuple[dict[str, Any], Sequence[bytes]]:
    from . import picture_decoding  # noqa: PLC0415

    picture = picture_decoding.clean(raw, limits)
    facts = {
        "kind": picture.kind,
        "width": picture.width,
        "height": picture.height,
        "colour": picture.colour,
        "first_frame_only": picture.first_frame_only,
    }
    return facts, (picture.content, picture.thumbnail)


def _portrait(
    raw: bytes, limits: Limits, square: Square | None
) -> tuple[dict[str, Any], Sequence[bytes]]:
    from . import picture_decoding  # noqa: PLC0415

    files = picture_decoding.portrait(raw, limits, square)
    return {}, (files.small, files.medium, files.large)


def _decoder_main(parent: Connection, limits: Limits, work: Work) -> None:
    """The main function of the decoder process."""
    for kind, limit in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    # If the machine runs out of memory, the kernel kills this process before any other.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        facts, contents = work(parent.recv_bytes(), limits)
    except MemoryError:
        _send_reply(parent, error=BudgetExceeded.__name__)
    except (NotAPicture, BudgetExceeded, SquareOutside) as error:
        _send_reply(parent, error=type(error).__name__)
    except LimitExceeded as error:
        _send_reply(parent, exceeded=error.unit, limit=error.limit, actual=error.actual)
    else:
        _send_reply(parent, **facts)
        for content in contents:
            parent.send_bytes(content)


def _send_reply(parent: Connection, **facts: object) -> None:
    parent.send_bytes(json.dumps(facts).encode())
