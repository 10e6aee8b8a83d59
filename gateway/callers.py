"""The caller's identity for the routes that the gateway answers itself; `proxy` has its own way."""

import time
from typing import Annotated

from fastapi import Depends, Request

from chassis.errors import NotAnAdministrator
from chassis.identity import Identity

from .limits import Limits
from .session import COOKIE


async def _caller(request: Request) -> Identity:
    """By key or by session. For reads only: a write by session must also come from our own page."""
    state = request.app.state
    key = request.headers.get("api-key")
    if key is None:
        token = request.cookies.get(COOKIE, "")
        identity: Identity = await state.keys.session_owner(token, request.scope)
    else:
        identity = await state.keys.key_owner(key.encode("latin-1"), request.scope)
    limits: Limits = state.limits
    if limits.on:
        limits.by_kind["read"].take(identity.user_id, time.monotonic())
    return identity


async def _administrator(identity: Annotated[Identity, Depends(_caller)]) -> Identity:
    if not identity.administrator:
        raise NotAnAdministrator
    return identity


Caller = Annotated[Identity, Depends(_caller)]
CallingAdministrator = Annotated[Identity, Depends(_administrator)]
