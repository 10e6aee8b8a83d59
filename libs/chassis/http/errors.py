"""How every error becomes a response, and the errors that belong to no domain.

A client sees the class name of a `Problem` as `error_type`, which never changes, and a sentence for
the person as `error_message`. Neither contains the cause: SQL, host names and tracebacks go to the
log only.

An error that is not a `Problem` comes either from an outage or from a defect, and these need
different people. If the database or another dependency is unavailable, the response is 503 with
`Retry-After`. A change of the code cannot help, so the error is logged and not reported to Sentry.
If a statement exceeds its deadline, the response is 504, and the error is reported: the statement
may be at fault. Everything else is a defect: 500, logged and reported. `is_dependency_unavailable`
and `is_timeout` decide, and background jobs use the same rules through `report_job_error`.
"""

import errno
import socket
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from chassis.observability import error_reporting

_UNAVAILABLE = (
    ConnectionError,
    socket.gaierror,
    PoolTimeout,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # The connection ended while a statement was being sent.
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # PostgreSQL rolled back one of two transactions that waited for each other: a retry succeeds.
    asyncpg.DeadlockDetectedError,
    # No disk space, memory or connection slot; a disk error; a server that is no longer primary.
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TargetServerAttributeNotMatched,
)
_MISUSE = (ValueError, asyncpg.UnsupportedClientFeatureError)
"""asyncpg raises these for a wrong argument or setting, as subclasses of InterfaceError."""

_NETWORK_ERRNOS = frozenset(
    {
        errno.EADDRNOTAVAIL,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
    }
)
"""Socket errors that Python does not raise as ConnectionError. ETIMEDOUT is TCP's own timeout."""

_TIMEOUTS = (TimeoutError, asyncpg.QueryCanceledError)
"""A deadline of our own, such as asyncpg's `command_timeout`, or PostgreSQL's statement_timeout."""

_RETRY_SOON = MappingProxyType({"Retry-After": "1"})

log = structlog.get_logger()


class ErrorBody(BaseModel):
    result: Literal[False] = False
    error_type: str
    error_message: str
    error_details: dict[str, int] | None = Field(
        None,
        description="The numbers in the message, for clients that write their own message."
        " Missing if the message contains no numbers.",
    )


class Problem(Exception):
    """An error that the client sees. The name of the class is the stable `error_type`.

    `message` is a sentence for the person; its `{placeholders}` are filled from the keyword
    arguments.
    """

    status: ClassVar[int] = 500
    message: ClassVar[str] = "Something went wrong on our side."
    headers: Mapping[str, str] = MappingProxyType({})
    details: Mapping[str, int] | None = None

    def __init__(self, **values: object) -> None:
        self.sentence = self.message.format(**values) if values else self.message
        super().__init__(self.sentence)

    def body(self) -> dict[str, Any]:
        details = dict(self.details) if self.details else None
        return ErrorBody(
            error_type=type(self).__name__, error_message=self.sentence, error_details=details
        ).model_dump(exclude_none=True)


def format_bytes(count: int, *, round_up: bool = False) -> str:
    """Formats a number of bytes, such as `12.4 MB` or `65.5 kB`.

    Round up a size that exceeds a limit, so that the message does not show two equal numbers.
    """
    unit, name = (1_000_000, "MB") if count >= 1_000_000 else (1000, "kB")
    tenths = -(-10 * count // unit) if round_up else 10 * count // unit
    return f"{tenths / 10:g} {name}"


class MalformedRequest(Problem):
    status = 400
    message = "The request isn't valid HTTP."


class NotSignedIn(Problem):
    status = 401
    message = "The api-key is missing or isn't valid."


class NotAnAdministrator(Problem):
    status = 403
    message = "Only administrators can do this."


class ReadOnlyKey(Problem):
    status = 403
    message = "This key is read-only."


class NotFound(Problem):
    status = 404
    message = "There's nothing at this address."


class MethodNotAllowed(Problem):
    status = 405
    message = "This address doesn't support this method."

    def __init__(self, allowed: str) -> None:
        """`allowed` is the value of the `Allow` header, such as `GET, HEAD`."""
        super().__init__()
        self.headers = {"Allow": allowed}


class RequestTimeout(Problem):
    status = 408
    message = "The request took too long to arrive."


class PayloadTooLarge(Problem):
    status = 413
    message = "The request is too large: {actual}. The limit is {limit}."

    def __init__(self, limit: int, actual: int | None = None) -> None:
        """Both in bytes. `actual` is None if the client did not declare the length."""
        if actual is None:
            size, details = f"more than {format_bytes(limit)}", {"limit": limit}
        else:
            size = format_bytes(actual, round_up=True)
            details = {"limit": limit, "actual": actual}
        super().__init__(limit=format_bytes(limit), actual=size)
        self.details = details


class InvalidRequest(Problem):
    status = 422
    message = "{reason}"


class TooManyRequests(Problem):
    status = 429
    message = "Too many requests. Try again in a moment."

    def __init__(self, headers: Mapping[str, str] = _RETRY_SOON) -> None:
        super().__init__()
        self.headers = headers


class HeadTooLarge(Problem):
    status = 431
    message = "The request headers are too large."


class InternalError(Problem):
    status = 500


class BadGateway(Problem):
    status = 502
    message = "Part of the service isn't responding properly. Try again in a moment."
    headers = _RETRY_SOON


class ServiceUnavailable(Problem):
    status = 503
    message = "Part of the service is down. Try again in a moment."
    headers = _RETRY_SOON


class ServiceOverloaded(Problem):
    """The work has not started, so the client may repeat any call safely."""

    status = 503
    message = "The service is very busy. Try again in a moment."
    headers = _RETRY_SOON


class ServiceTimeout(Problem):
    status = 504
    message = "Part of the service took too long to respond. Try again in a moment."
    headers = _RETRY_SOON


_BY_STATUS: dict[int, type[Problem]] = {
    problem.status: problem
    for problem in (
        NotSignedIn,
        NotFound,
        TooManyRequests,
        ServiceUnavailable,
        ServiceTimeout,
    )
}


class BodyTooLarge(HTTPException):
    """An HTTPException, because FastAPI turns every other error that is raised while it reads a
    body into a 400."""

    def __init__(self, limit: int) -> None:
        super().__init__(PayloadTooLarge.status)
        self.limit = limit


def problem_response(problem: Problem) -> JSONResponse:
    return JSONResponse(problem.body(), problem.status, problem.headers)


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return problem_response(error)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, BodyTooLarge):
        return problem_response(PayloadTooLarge(error.limit))
    if error.status_code == MethodNotAllowed.status:
        return problem_response(MethodNotAllowed((error.headers or {}).get("Allow", "")))
    if error.status_code in _BY_STATUS:
        return problem_response(_BY_STATUS[error.status_code]())
    if 400 <= error.status_code < 500:
        return problem_response(InvalidRequest(reason="The request body couldn't be read."))
    return problem_response(InternalError())


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return problem_response(InvalidRequest(reason="The request body isn't valid JSON."))
    field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return problem_response(InvalidRequest(reason=f"{field}: {first['msg']}."))


def _cause(error: Exception) -> BaseException:
    """The error of the database driver, which SQLAlchemy wraps twice: in a DBAPIError, and in its
    `orig`."""
    if isinstance(error, DBAPIError) and error.orig and error.orig.__cause__:
        return error.orig.__cause__
    return error


def is_dependency_unavailable(error: Exception) -> bool:
    """Whether the database, or another dependency, cannot be reached or cannot work at present.

    A statement that takes too long does not count: the statement, not the dependency, may be at
    fault, and a client that repeats it makes things worse. See `is_timeout`.
    """
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = _cause(error)
    if isinstance(cause, OSError) and cause.errno in _NETWORK_ERRNOS:
        return True
    return isinstance(cause, _UNAVAILABLE) and not isinstance(cause, _MISUSE)


def is_timeout(error: Exception) -> bool:
    """Whether work was stopped at a deadline. A connection that times out does not count."""
    return isinstance(_cause(error), _TIMEOUTS) and not is_dependency_unavailable(error)


def report_job_error(error: Exception, *, unavailable: str, failed: str, **fields: object) -> None:
    """Logs the error of a job that continues in spite of it.

    An unavailable dependency is logged under the event name `unavailable`, everything else under
    `failed`. Only the latter is reported to Sentry.
    """
    if is_dependency_unavailable(error) or isinstance(error, ServiceUnavailable):
        log.warning(unavailable, error=repr(error), **fields)
    else:
        log.error(failed, exc_info=error, **fields)
        error_reporting.report_throttled(error)


def response_to(error: Exception) -> JSONResponse:
    """Logs the error, reports it unless a dependency is unavailable, and gives the response."""
    if is_dependency_unavailable(error):
        log.error("dependency.unavailable", exc_info=error)
        return problem_response(ServiceUnavailable())
    log.error("request.failed", exc_info=error)
    error_reporting.report(error)
    return problem_response(ServiceTimeout() if is_timeout(error) else InternalError())


async def _on_infrastructure_error(request: Request, error: Exception) -> JSONResponse:
    return response_to(error)


async def _on_any_error(request: Request, error: Exception) -> JSONResponse:
    return problem_response(InternalError())


def install(app: FastAPI) -> None:
    """Makes the application respond to every error with an `ErrorBody`."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    for kind in (*_UNAVAILABLE, OSError, DBAPIError, asyncpg.PostgresError):
        app.add_exception_handler(kind, _on_infrastructure_error)
    app.add_exception_handler(Exception, _on_any_error)


def responses(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI documentation of these errors: one response for each status, with an example for
    each error."""
    documented: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        response = documented.setdefault(
            problem.status,
            {
                "model": ErrorBody,
                "description": HTTPStatus(problem.status).phrase,
                "content": {"application/json": {"examples": {}}},
            },
        )
        response["content"]["application/json"]["examples"][problem.__name__] = {
            "value": {
                "result": False,
                "error_type": problem.__name__,
                "error_message": problem.message,
            }
        }
    return documented
