"""Signing in on the page: a key is exchanged for a session, whose token is in a cookie.

The token is random and no script can read the cookie. Users stores the token's digest with the
session, so that a session can be listed and ended: see docs/adr/0011.
"""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from chassis import api_keys
from chassis.app import Done
from chassis.errors import (
    BadGateway,
    InvalidRequest,
    NotSignedIn,
    Problem,
    responses,
)
from chassis.identity import GATEWAY, HEADER
from chassis.telemetry import onward

from .keys import Keys, is_session_token, new_session_token
from .limits import Limits, address_of
from .upstream import Answer, Body, ClientGone

PATH = "/api/session"
COOKIE = "warble_session"

_BODY_BYTES = 4096


class CrossSiteRequest(Problem):
    status = 403
    message = "This call did not come from Warble's own page."


def from_our_page(headers: Mapping[str, str]) -> bool | None:
    """Whether a page of this host makes the call; None if the headers do not tell.

    Browsers send `Sec-Fetch-Site` or `Origin` with every write; other clients send neither."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return None
    host = origin.partition("://")[2].lower()
    return host != "" and host == headers.get("host", "").lower()


class Credentials(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"api_key": "wrb_…"}]})

    api_key: SecretStr


class SessionView(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"result": True, "user_id": 7, "administrator": False}]}
    )

    result: Literal[True] = True
    user_id: int
    administrator: bool


async def _from_no_other_page(request: Request) -> None:
    """Other sites cannot sign anyone in or out; clients that are not browsers can."""
    if from_our_page(request.headers) is False:
        raise CrossSiteRequest


async def _limited(request: Request, response: Response) -> None:
    """Counts the call towards the limit of its address. Raises TooManyRequests."""
    limits: Limits = request.app.state.limits
    if limits.on:
        for name, value in limits.sign_ins.take(address_of(request.scope), time.monotonic()):
            response.headers[name.decode()] = value.decode()


async def _credentials(request: Request) -> Credentials:
    """The body, read with a small limit, since nobody is signed in yet."""
    try:
        body = b"".join([chunk async for chunk in Body(request.receive, _BODY_BYTES)])
        return Credentials.model_validate_json(body)
    except (ClientGone, ValidationError) as error:
        raise InvalidRequest(reason='The body is not {"api_key": "…"}.') from error


router = APIRouter(tags=["session"])
"""Needs `app.state.keys`, `upstream`, `signer` and `limits`."""


@router.post(
    PATH,
    summary="Sign in: exchange a key for a session",
    responses=responses(NotSignedIn, CrossSiteRequest),
    dependencies=[Depends(_from_no_other_page), Depends(_limited)],
    openapi_extra={
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": Credentials.model_json_schema()}},
        },
    },
)
async def sign_in(
    credentials: Annotated[Credentials, Depends(_credentials)], request: Request, response: Response
) -> SessionView:
    """The answer sets a cookie that no script can read. The session lasts 30 days by default; it
    ends sooner with its key, by signing out, or by `DELETE /api/users/{id}/sessions/{session_id}`.
    """
    keys: Keys = request.app.state.keys
    key = credentials.api_key.get_secret_value().encode()
    identity = await keys.key_owner(key, request.scope)
    token = new_session_token()
    draft = SessionDraft(
        digest=api_keys.digest(token.encode()).hex(),
        key_digest=api_keys.digest(key).hex(),
        client=request.headers.get("user-agent", ""),
    )
    started = await _ask_users(request, "POST", "/internal/sessions", draft)
    if started.response.status == 404:
        raise NotSignedIn
    if started.response.status != 201 or started.body is None:
        raise BadGateway
    previous = request.cookies.get(COOKIE)
    if previous:
        await _end(request, previous)
    response.set_cookie(
        COOKIE,
        token,
        max_age=StartedSession.model_validate_json(started.body).seconds,
        httponly=True,
        samesite="strict",
        secure=_by_https(request),
    )
    return SessionView(user_id=identity.user_id, administrator=identity.administrator)


@router.delete(
    PATH,
    summary="Sign out",
    responses=responses(CrossSiteRequest),
    dependencies=[Depends(_from_no_other_page), Depends(_limited)],
    openapi_extra={"security": []},
)
async def sign_out(request: Request, response: Response) -> Done:
    """Ends the session, so that no copy of the cookie works any more, and removes the cookie."""
    token = request.cookies.get(COOKIE)
    if token:
        await _end(request, token)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_by_https(request))
    return Done()


class SessionDraft(BaseModel):
    """What users is asked to store."""

    digest: str
    key_digest: str
    client: str


class StartedSession(BaseModel):
    seconds: int


async def _end(request: Request, token: str) -> None:
    """Ends the session with this token if there is one. Raises what Upstream raises."""
    if not is_session_token(token):
        return
    digest = api_keys.digest(token.encode())
    answer = await _ask_users(request, "DELETE", f"/internal/sessions/{digest.hex()}")
    if answer.response.status != 200:
        raise BadGateway
    # Other gateways learn it from an event; this one must not answer from its cache meanwhile.
    request.app.state.keys.forget(digest)


async def _ask_users(
    request: Request, method: str, path: str, draft: SessionDraft | None = None
) -> Answer:
    state = request.app.state
    headers = {HEADER: state.signer.token(GATEWAY, "users"), **onward()}
    body = None
    if draft is not None:
        content = draft.model_dump_json().encode()
        headers |= {"content-type": "application/json", "content-length": str(len(content))}
        body = _chunks(content)
    answer: Answer = await state.upstream.ask("users", method, path, headers, body)
    return answer


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _by_https(request: Request) -> bool:
    """A proxy that ends TLS may not report it; the `Origin` of the page shows it as well."""
    origin = request.headers.get("origin", "")
    return request.url.scheme == "https" or origin.startswith("https://")
