"""The requests to users, which checks everything and stores the state of each sign-on."""

import json
import re
from typing import Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict

from chassis.auth import api_keys
from chassis.http.errors import BadGateway

from ..credential_cache import is_session_token
from ..sessions import COOKIE, public_url, request_users
from .errors import ERRORS_OF_USERS
from .flow_cookie import read_flow_cookie

PREFIX = "/api/sign-on"
_TIMEOUT_SECONDS = 15
"""For users, which calls the provider in this time."""
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A path of this host: printable ASCII without a backslash, which browsers read as a slash."""
_NOT_PAGES = ("/api/", "/uploads/", "/docs")


class ProviderView(BaseModel):
    name: str
    title: str
    """What the button says: "Sign in with …"."""


class SignOnView(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "providers": [{"name": "company", "title": "Company account"}],
                    "keys": True,
                }
            ]
        }
    )

    result: Literal[True] = True
    providers: list[ProviderView]
    keys: bool
    """Whether the page offers to sign in with a key too."""


class FlowDraft(BaseModel):
    """The request to users that begins a sign-on."""

    browser_digest: str
    redirect_uri: str
    next: str
    link_user_id: int | None = None
    previous_session: str | None = None


class AnswerDraft(BaseModel):
    """The request to users that ends it."""

    state_digest: str
    browser_digest: str
    code: str | None
    iss: str | None
    session_digest: str
    client: str


class SignedOn(BaseModel):
    """The response of users."""

    user_id: int
    next: str
    seconds: int
    previous_session: str | None


class LogoutDraft(BaseModel):
    logout_token: str


class LoggedOut(BaseModel):
    """The response of users."""

    user_ids: list[int]


async def sign_on_options(request: Request) -> SignOnView:
    response = await request_users(request, "GET", "/internal/sign-on")
    if response.http.status != 200 or response.body is None:
        raise BadGateway
    return SignOnView.model_validate_json(response.body)


async def begin_flow(
    provider: str, request: Request, cookie: str, next: str, *, link_user_id: int | None = None
) -> str:
    """Begins a sign-on; returns where the browser goes. `cookie` is the one that binds it."""
    previous = request.cookies.get(COOKIE, "")
    draft = FlowDraft(
        browser_digest=_digest(cookie),
        redirect_uri=f"{public_url(request)}{PREFIX}/{provider}/callback",
        next=local_path(next),
        link_user_id=link_user_id,
        previous_session=_digest(previous) if is_session_token(previous) else None,
    )
    location = json.loads(await _ask(request, f"{provider}/flows", draft))["location"]
    assert isinstance(location, str)
    return location


async def end_flow(
    provider: str,
    request: Request,
    token: str,
    *,
    state: str,
    code: str | None,
    iss: str | None,
) -> SignedOn:
    """Exchanges the provider's answer for a session with this token."""
    draft = AnswerDraft(
        state_digest=_digest(state),
        browser_digest=_digest(read_flow_cookie(request)),
        code=code,
        iss=iss,
        session_digest=_digest(token),
        client=request.headers.get("user-agent", ""),
    )
    return SignedOn.model_validate_json(await _ask(request, f"{provider}/answers", draft))


async def log_out(provider: str, request: Request, logout_token: str) -> list[int]:
    """Ends the sessions that the token names; returns whose they were."""
    response = await _ask(request, f"{provider}/logouts", LogoutDraft(logout_token=logout_token))
    return LoggedOut.model_validate_json(response).user_ids


async def _ask(request: Request, path: str, draft: BaseModel) -> bytes:
    """The response of users. Raises the error that users names, and what Upstream raises."""
    response = await request_users(
        request, "POST", f"/internal/sign-on/{path}", draft, _TIMEOUT_SECONDS
    )
    if response.http.status in (200, 201) and response.body is not None:
        return response.body
    try:
        error = json.loads(response.body or b"")
        name = error["error_type"]
    except (ValueError, KeyError, TypeError):
        raise BadGateway from None
    # A refused sign-on may have ended the sessions and keys of the person.
    user_id = (error.get("error_details") or {}).get("user_id")
    if user_id is not None:
        request.app.state.credentials.expire_person(user_id)
    raise ERRORS_OF_USERS.get(name, BadGateway)


def local_path(next: str) -> str:
    """The path if it is one of the page's own; `/` for everything that could lead elsewhere."""
    is_local = _LOCAL_PATH.fullmatch(next) is not None and not next.startswith(_NOT_PAGES)
    return next if is_local else "/"


def _digest(secret: str) -> str:
    return api_keys.digest(secret.encode()).hex()
