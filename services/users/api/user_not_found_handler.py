"""The response to a caller who is deactivated or erased."""

from fastapi import Request
from fastapi.responses import JSONResponse

from chassis.http import errors
from chassis.http.errors import NotSignedIn

from ..errors import UserNotFound


async def on_user_not_found(request: Request, error: Exception) -> JSONResponse:
    """Responds with 401 if the missing person is the caller, and with 404 otherwise.

    A gateway accepts the keys of a deactivated person until the event reaches it, and the identity
    that it signs is valid for up to a minute. In that time the caller gets the same response as
    for every later request: `NotSignedIn`.
    """
    assert isinstance(error, UserNotFound)
    if error.user_id == request.state.identity.user_id:
        return errors.problem_response(NotSignedIn())
    return errors.problem_response(error)
