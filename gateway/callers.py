"""Who calls, for what the gateway answers by itself. The hot path has its own way: see `proxy`."""

from typing import Annotated

from fastapi import Depends, Request

from chassis.errors import NotAnAdministrator
from chassis.identity import Identity

from .keys import digest_of
from .session import COOKIE


async def _caller(request: Request) -> Identity:
    """By key or by session. Reads alone: a write with a session proves where it comes from."""
    state = request.app.state
    key = request.headers.get("api-key")
    if key is None:
        digest = state.sessions.digest(request.cookies.get(COOKIE, ""))
    else:
        digest = digest_of(key.encode("latin-1"))
    identity: Identity = await state.keys.identity(digest)
    return identity


async def _administrator(identity: Annotated[Identity, Depends(_caller)]) -> Identity:
    if not identity.administrator:
        raise NotAnAdministrator
    return identity


Caller = Annotated[Identity, Depends(_caller)]
CallingAdministrator = Annotated[Identity, Depends(_administrator)]
