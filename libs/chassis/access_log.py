"""One line for each request, written past everything that makes other lines rich and dear."""

import asyncio
import atexit
import json
import logging
import sys
from datetime import UTC, datetime

import structlog

from .settings import ProcessSettings

FLUSH_SECONDS = 0.05
"""Under load one call of the system takes many lines. A killed process keeps its last ones."""

FLUSH_LINES = 100

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


def write(method: str, path: str, status: int, seconds: float) -> None:
    """`path` is without its query, which may hold what people search for."""
    ms = round(seconds * 1000, 1)
    if _process is None:
        log.info("request", method=method, path=path, status=status, ms=ms)
        return
    line = {
        **_process,
        "method": method,
        "path": path,
        "status": status,
        "ms": ms,
        "event": "request",
        **structlog.contextvars.get_contextvars(),
        "level": "info",
        "timestamp": datetime.now(UTC).isoformat(),
    }
    _lines.append(json.dumps(line))
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
