"""The answer to a caller who is deactivated or erased."""

from fastapi import Request
from fastapi.responses import JSONResponse

from chassis import errors
from chassis.errors import NotSignedIn

from ..errors import UserNotFound


async def on_user_not_found(request: Request, error: Exception) -> JSONResponse:
    """Answers 401 where the missing person is the caller, 404 for anybody else.

    A gateway accepts the keys of a deactivated person until the event reaches it, and the identity
    that it signs is valid for up to a minute. In that time the caller gets the answer of every
    later call, `NotSignedIn`.
    """
    assert isinstance(error, UserNotFound)
    if error.user_id == request.state.identity.user_id:
        return errors.answer(NotSignedIn())
    return errors.answer(error)
