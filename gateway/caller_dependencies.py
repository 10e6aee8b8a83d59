"""FastAPI dependencies that authenticate requests to the routes that the gateway serves itself.

The proxy authenticates the requests that it forwards without FastAPI, see `proxy`.
"""

import time
from typing import Annotated

from fastapi import Depends, Request

from chassis.auth.identity import Identity
from chassis.http.errors import NotAnAdministrator

from .limits import RateLimits
from .sessions import COOKIE, EXPECTED_PERSON_HEADER, require_expected_person


async def _caller(request: Request) -> Identity:
    """Accepts a key or a session. For reads only: a write by session must also prove that it comes
    from Warble's own page, which this does not check."""
    state = request.app.state
    key = request.headers.get("api-key")
    if key is None:
        token = request.cookies.get(COOKIE, "")
        identity: Identity = await state.credentials.identity_of_session(token, request.scope)
    else:
        identity = await state.credentials.identity_of_key(key.encode("latin-1"), request.scope)
    require_expected_person(request.headers.get(EXPECTED_PERSON_HEADER), identity)
    limits: RateLimits = state.limits
    if limits.enabled:
        limits.by_kind["read"].acquire(identity.user_id, time.monotonic())
    return identity


async def _administrator(identity: Annotated[Identity, Depends(_caller)]) -> Identity:
    if not identity.administrator:
        raise NotAnAdministrator
    return identity


Caller = Annotated[Identity, Depends(_caller)]
CallingAdministrator = Annotated[Identity, Depends(_administrator)]
