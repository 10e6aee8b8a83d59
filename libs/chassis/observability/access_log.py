"""One log line for each request and each handled event.

These lines are most of the log, and structlog's processors cost too much for them: they took a
quarter of the gateway's CPU time (docs/adr/0013). So where the log is JSON, this module encodes its
lines itself, collects them in memory, and writes them together: at the latest after FLUSH_SECONDS,
or when there are FLUSH_LINES of them. A process that is killed loses the lines of that moment.
Where people read the log as text, the lines go through structlog like all others.
"""

import asyncio
import atexit
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic_core import to_json

from chassis.settings import ProcessSettings

FLUSH_SECONDS = 0.05
FLUSH_LINES = 100

_UPLOAD_NAME = re.compile(r"uploads/.+", re.IGNORECASE | re.DOTALL)

_lines: list[str] = []
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


def log_request(method: str, path: str, status: int, seconds: float) -> None:
    """`path` must not contain the query, which may hold what people search for.

    The name of an upload is left out: everybody who knows the name can read the picture.
    """
    path = _UPLOAD_NAME.sub("uploads/…", path)
    fields = {"method": method, "path": path, "status": status, "ms": round(seconds * 1000, 1)}
    write("request", fields | structlog.contextvars.get_contextvars())


def write(event: str, fields: dict[str, Any]) -> None:
    if _process_fields is None:
        log.info(event, **fields)
        return
    line = {
        **_process_fields,
        **fields,
        "event": event,
        "level": "info",
        "timestamp": datetime.now(UTC).isoformat(),
    }
    # pydantic's encoder is written in Rust: it takes a tenth of the time of the standard library's.
    _lines.append(to_json(line).decode())
    if len(_lines) >= FLUSH_LINES:
        flush()
    elif len(_lines) == 1:
        asyncio.get_running_loop().call_later(FLUSH_SECONDS, flush)


def flush() -> None:
    """Writes the collected lines.

    Call it at shutdown too: `atexit` does not run in a process that a signal ends.
    """
    if _lines:
        sys.stderr.write("\n".join([*_lines, ""]))
        _lines.clear()


atexit.register(flush)
