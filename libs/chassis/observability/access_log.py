"""One log line for each request and each handled event.

These lines are most of the log, and structlog's processors cost too much for them: they took a
quarter of the gateway's CPU time (docs/adr/0013). So where the log is JSON, this module collects
the lines in memory, and encodes and writes them together: at the latest after FLUSH_SECONDS, or
when there are FLUSH_LINES of them. A process that is killed loses the lines of that moment.
Where people read the log as text, the lines go through structlog like all others.
"""

import asyncio
import atexit
import logging
import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic_core import to_json

from chassis.settings import ProcessSettings

FLUSH_SECONDS = 0.05
FLUSH_LINES = 100

_UPLOAD_NAME = re.compile(r"uploads/.+", re.IGNORECASE | re.DOTALL)

_lines: list[tuple[float, str, Mapping[str, Any]]] = []
"""The time, the event and the fields of each line."""
_process_fields: dict[str, str] | None = None
"""The first fields of every line; None if the lines go through structlog."""

log = structlog.get_logger("request")


def is_text(settings: ProcessSettings) -> bool:
    """Whether the log is text for people, not JSON for machines."""
    return settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())


def configure(settings: ProcessSettings, role: str) -> None:
    """Reads the level of the root logger, which must be set before."""
    global _process_fields  # noqa: PLW0603  a process has one log
    enabled = logging.getLogger().isEnabledFor(logging.INFO)
    is_json = enabled and not is_text(settings)
    _process_fields = {"service": settings.service, "role": role} if is_json else None


def log_request(
    method: str, path: str, status: int, seconds: float, context: Mapping[str, Any]
) -> None:
    """`path` must not contain the query, which may hold what people search for. `context` has the
    ids of the request and of its caller.

    The name of an upload is left out: everybody who knows the name can read the picture.
    """
    path = _UPLOAD_NAME.sub("uploads/…", path)
    ms = round(seconds * 1000, 1)
    write("request", {"method": method, "path": path, "status": status, "ms": ms, **context})


def write(event: str, fields: Mapping[str, Any]) -> None:
    if _process_fields is None:
        log.info(event, **fields)
        return
    _lines.append((time.time(), event, fields))
    if len(_lines) >= FLUSH_LINES:
        flush()
    elif len(_lines) == 1:
        asyncio.get_running_loop().call_later(FLUSH_SECONDS, flush)


def flush() -> None:
    """Writes the collected lines.

    Call it at shutdown too: `atexit` does not run in a process that a signal ends.
    """
    lines = _lines.copy()
    # Not after encoding: a line that cannot be encoded must not keep back all that follow.
    _lines.clear()
    if lines:
        sys.stderr.write("".join(map(_encode, lines)))


def _encode(line: tuple[float, str, Mapping[str, Any]]) -> str:
    seconds, event, fields = line
    complete = {
        **(_process_fields or {}),
        **fields,
        "event": event,
        "level": "info",
        "timestamp": datetime.fromtimestamp(seconds, UTC).isoformat(),
    }
    # pydantic's encoder is written in Rust: it takes a tenth of the time of the standard library's.
    return to_json(complete).decode() + "\n"


atexit.register(flush)
