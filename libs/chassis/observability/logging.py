"""Configures structlog and the standard library's logging for one process."""

import logging
import logging.config
import sys
from typing import Any

import structlog

from chassis.observability import access_log
from chassis.settings import ProcessSettings

_UVICORN_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
_VERBOSE_LOGGERS = (
    "aio_pika",
    "aiormq",
    "alembic",
    # SQLAlchemy names the logger of a pool after the pool's class, which may be ours.
    "chassis.observability.metrics.MeasuredPool",
    "httpx",
    "httpcore",
    "sqlalchemy",
)


def configure(settings: ProcessSettings, role: str) -> None:
    """Sends all log records to stderr in one format. `role` is such as `api` or `worker`.

    Records of structlog and records of libraries go through the same handler. Each one carries the
    service, the role, the level, a timestamp, and the context variables of the current request.
    """
    shared_processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared_processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_processors,
            processors=[
                _process_fields(settings.service, role),
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for name in _UVICORN_LOGGERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    access_log.configure(settings, role)


def _renderers(settings: ProcessSettings) -> list[Any]:
    if access_log.is_text(settings):
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The default formatter prints local variables, which may hold keys and texts.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _process_fields(service: str, role: str) -> Any:
    def add(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        return {"service": service, "role": role, **event}

    return add
