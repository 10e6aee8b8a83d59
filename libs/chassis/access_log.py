"""A line for each request and each event, past all that makes other lines rich and dear."""

import asyncio
import atexit
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic_core import to_json

from .settings import ProcessSettings

FLUSH_SECONDS = 0.05
"""Under load one call of the system takes many lines. A killed process keeps its last ones."""

FLUSH_LINES = 100

_UPLOAD = re.compile(r"uploads/.+", re.IGNORECASE | re.DOTALL)

_lines: list[str] = []
_process: dict[str, str] | None = None
"""What every line begins with; None where lines go the way of all others."""

log = structlog.get_logger("request")


def as_text(settings: ProcessSettings) -> bool:
    """Whether people read the log as it comes."""
    return settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())


def configure(settings: ProcessSettings, role: str) -> None:
    global _process  # noqa: PLW0603  a process has one log
    wanted = logging.getLogger().isEnabledFor(logging.INFO)
    plain = wanted and not as_text(settings)
    _process = {"service": settings.service, "role": role} if plain else None


def request(method: str, path: str, status: int, seconds: float) -> None:
    """`path` is without its query, which may hold what people search for.

    The name of an upload is left out: everybody who knows it can read the picture.
    """
    path = _UPLOAD.sub("uploads/…", path)
    facts = {"method": method, "path": path, "status": status, "ms": round(seconds * 1000, 1)}
    write("request", facts | structlog.contextvars.get_contextvars())


def write(event: str, facts: dict[str, Any]) -> None:
    if _process is None:
        log.info(event, **facts)
        return
    line = {
        **_process,
        **facts,
        "event": event,
        "level": "info",
        "timestamp": datetime.now(UTC).isoformat(),
    }
    # Its encoder is written in Rust, and costs a tenth of the standard library's.
    _lines.append(to_json(line).decode())
    if len(_lines) >= FLUSH_LINES:
        flush()
    elif len(_lines) == 1:
        asyncio.get_running_loop().call_later(FLUSH_SECONDS, flush)


def flush() -> None:
    """Writes what is held; a process that a signal ends calls it, since no `atexit` runs then."""
    if _lines:
        sys.stderr.write("\n".join([*_lines, ""]))
        _lines.clear()


atexit.register(flush)
