"""Error reports to Sentry: what failed, where, in whose request; nothing that a person wrote."""

import time
from typing import Any

import sentry_sdk
import structlog
from sentry_sdk.integrations.logging import LoggingIntegration

from .settings import ProcessSettings

REPEAT_SECONDS = 60

_PRIVATE = ("headers", "cookies", "data", "query_string", "env")
_repeated: dict[tuple[type[Exception], str], float] = {}


def configure(settings: ProcessSettings, role: str) -> None:
    if not settings.sentry_dsn:
        return
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        # Addresses and statements of this process's other requests would lie among them.
        max_breadcrumbs=0,
        # Reports are made where errors happen: a log line may hold more than a report should.
        integrations=[LoggingIntegration(level=None, event_level=None)],
        before_send=_scrub,
    )
    sentry_sdk.set_tag("service", settings.service)
    sentry_sdk.set_tag("role", role)


def send(error: Exception) -> None:
    sentry_sdk.capture_exception(error)


def send_once(error: Exception) -> None:
    """For what fails again and again: the same error is reported once a minute."""
    kind, now = (type(error), str(error)), time.monotonic()
    if now - _repeated.get(kind, -REPEAT_SECONDS) >= REPEAT_SECONDS:
        _repeated[kind] = now
        send(error)


def _scrub(event: Any, _hint: dict[str, Any]) -> Any:
    """Keeps keys, cookies and texts at home; adds the request and the person by number."""
    request = event.get("request", {})
    for private in _PRIVATE:
        request.pop(private, None)
    context = structlog.contextvars.get_contextvars()
    if "request_id" in context:
        event.setdefault("tags", {})["request_id"] = context["request_id"]
    if "user_id" in context:
        event["user"] = {"id": str(context["user_id"])}
    return event
