"""Error reports to Sentry. A report says what failed, where, and in which request.

It contains nothing that a person wrote: no headers, no bodies, no queries, no local variables. It
has no URL either, because everybody who knows the address of a picture can read the picture. The
request's id leads to the line of the log that has the path.
"""

import time
from typing import Any

import structlog

from chassis.settings import ProcessSettings

THROTTLE_SECONDS = 60

_PRIVATE_FIELDS = ("url", "headers", "cookies", "data", "query_string", "env")
_last_reported_at: dict[tuple[type[Exception], str], float] = {}
_is_enabled = False


def configure(settings: ProcessSettings, role: str) -> None:
    """Does nothing unless `SENTRY_DSN` is set."""
    global _is_enabled  # noqa: PLW0603  a process has one receiver of its reports
    if not settings.sentry_dsn:
        return
    # Imported here, so that a process without Sentry does not pay for it (docs/adr/0042).
    import sentry_sdk  # noqa: PLC0415
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415

    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        max_request_body_size="never",
        include_local_variables=False,
        # Breadcrumbs would contain URLs and SQL statements of other requests of this process.
        max_breadcrumbs=0,
        # No report for a log line: the line may contain more than a report should.
        integrations=[LoggingIntegration(level=None, event_level=None)],
        before_send=_scrub,
    )
    sentry_sdk.set_tag("service", settings.service)
    sentry_sdk.set_tag("role", role)
    _is_enabled = True


def report(error: Exception) -> None:
    if _is_enabled:
        import sentry_sdk  # noqa: PLC0415

        sentry_sdk.capture_exception(error)


def report_throttled(error: Exception) -> None:
    """Like `report`, but reports the same error at most once a minute.

    For loops that may fail again and again.
    """
    kind, now = (type(error), str(error)), time.monotonic()
    if now - _last_reported_at.get(kind, -THROTTLE_SECONDS) >= THROTTLE_SECONDS:
        _last_reported_at[kind] = now
        report(error)


def _scrub(event: Any, _hint: dict[str, Any]) -> Any:
    """Removes keys, cookies, texts and addresses; adds the request's id and the person's id."""
    request = event.get("request", {})
    for field in _PRIVATE_FIELDS:
        request.pop(field, None)
    if event.get("transaction_info", {}).get("source") == "url":
        # The path itself, because no route was found for it.
        event.pop("transaction", None)
    context = structlog.contextvars.get_contextvars()
    if "request_id" in context:
        event.setdefault("tags", {})["request_id"] = context["request_id"]
    if "user_id" in context:
        event["user"] = {"id": str(context["user_id"])}
    return event
