"""The routes of a sign-on, for browsers and for identity providers."""

from typing import Annotated, Literal
from urllib.parse import parse_qs, urlencode

import structlog
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import KeyScope
from chassis.http.errors import (
    BadGateway,
    Problem,
    ReadOnlyKey,
    ServiceTimeout,
    ServiceUnavailable,
    responses,
)
from chassis.http.models import Ok

from ..caller_dependencies import Caller
from ..credential_cache import CredentialCache, new_session_token
from ..sessions import count_towards_address_limit, read_small_body, refuse_other_sites, set_cookie
from ..upstream import ClientDisconnected
from . import users
from .errors import AccountScopeRequired, LogoutNotAccepted, ProviderNotFound, SignOnUnavailable
from .flow_cookie import delete_flow_cookie, set_flow_cookie
from .users import PREFIX, SignOnView

_MAX_LOGOUT_BYTES = 20_000
_MAX_NEXT_LENGTH = 1000

log = structlog.get_logger()


class LocationView(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"result": True, "location": "https://login.example.com/authorize?…"}]
        }
    )

    result: Literal[True] = True
    location: str
    """Where the browser goes to sign in."""


Provider = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
Next = Annotated[
    str,
    Query(
        max_length=_MAX_NEXT_LENGTH,
        description="The path of the page that opens afterwards. Anything else opens the first.",
    ),
]

router = APIRouter(prefix=PREFIX, tags=["session"])
"""Needs what the router of `sessions` needs."""


@router.head("", include_in_schema=False, dependencies=[Depends(count_towards_address_limit)])
@router.get(
    "",
    summary="List the ways to sign in",
    dependencies=[Depends(count_towards_address_limit)],
    openapi_extra={"security": []},
)
async def providers(request: Request) -> SignOnView:
    """The identity providers with whose accounts people sign in here, and whether the page offers
    to sign in with a key too. `POST /api/session` accepts keys either way."""
    return await users.sign_on_options(request)


@router.get(
    "/{provider}/start",
    status_code=303,
    response_class=RedirectResponse,
    summary="Sign in at an identity provider: open this address in a browser",
    dependencies=[Depends(count_towards_address_limit)],
    openapi_extra={"security": []},
)
async def start(provider: Provider, request: Request, next: Next = "/") -> RedirectResponse:
    """Sends the browser to the provider, and sets a cookie that binds the answer to this browser.
    If the provider does not respond, the page opens with the reason, `/?sign_on=…`."""
    cookie = new_session_token()
    try:
        location = await users.begin_flow(provider, request, cookie, next)
    except Problem as problem:
        return _explain(problem)
    response = RedirectResponse(location, 303)
    set_flow_cookie(request, response, cookie)
    return response


@router.get(
    "/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    summary="The address to which identity providers send the browser back",
    dependencies=[Depends(count_towards_address_limit)],
    openapi_extra={"security": []},
)
async def callback(
    provider: Provider,
    request: Request,
    state: str = "",
    code: str | None = None,
    iss: str | None = None,
) -> RedirectResponse:
    """Signs in and opens the page. If that fails, the page opens with the reason, `/?sign_on=…`."""
    token = new_session_token()
    try:
        signed_on = await users.end_flow(provider, request, token, state=state, code=code, iss=iss)
    except Problem as problem:
        response = _explain(problem)
    else:
        response = RedirectResponse(users.local_path(signed_on.next), 303)
        set_cookie(request, response, token, signed_on.seconds)
        cache: CredentialCache = request.app.state.credentials
        if signed_on.previous_session is not None:
            cache.expire(bytes.fromhex(signed_on.previous_session))
        # The sign-on may have taken rights away, which other sessions must not keep until the
        # event arrives.
        cache.expire_person(signed_on.user_id)
    delete_flow_cookie(request, response)
    return response


@router.post(
    "/{provider}/link",
    summary="Link an account at an identity provider to one's own",
    responses=responses(ProviderNotFound, SignOnUnavailable, AccountScopeRequired),
    dependencies=[Depends(refuse_other_sites)],
)
async def link(
    provider: Provider, caller: Caller, request: Request, response: Response, next: Next = "/"
) -> LocationView:
    """Open `location` in the browser and sign in there: from then on the account signs in as the
    caller, who has proved both."""
    if not caller.scope.covers(KeyScope.write):
        raise ReadOnlyKey
    options = await users.sign_on_options(request)
    if provider not in {offered.name for offered in options.providers}:
        raise ProviderNotFound
    if not caller.scope.covers(KeyScope.account):
        raise AccountScopeRequired
    cookie = new_session_token()
    location = await users.begin_flow(provider, request, cookie, next, link_user_id=caller.user_id)
    set_flow_cookie(request, response, cookie)
    return LocationView(location=location)


@router.post(
    "/{provider}/logout",
    summary="Back-channel logout: for identity providers",
    responses=responses(ProviderNotFound, SignOnUnavailable, LogoutNotAccepted),
    dependencies=[Depends(count_towards_address_limit)],
    openapi_extra={
        "security": [],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": ["logout_token"],
                        "properties": {"logout_token": {"type": "string"}},
                    }
                }
            },
        },
    },
)
async def log_out(provider: Provider, request: Request) -> Ok:
    """The provider reports with a signed token that a person has signed out there, or may not sign
    in any more (OpenID Connect Back-Channel Logout 1.0). The sessions that it names end at once,
    with their streams."""
    try:
        body = await read_small_body(request, _MAX_LOGOUT_BYTES)
        tokens = parse_qs(body.decode("ascii"), max_num_fields=10).get("logout_token", [])
    except (ClientDisconnected, ValueError) as error:
        raise LogoutNotAccepted from error
    if len(tokens) != 1:
        raise LogoutNotAccepted
    credentials: CredentialCache = request.app.state.credentials
    try:
        user_ids = await users.log_out(provider, request, tokens[0])
    except (BadGateway, ServiceTimeout, ServiceUnavailable):
        # Users may have ended sessions before the connection broke.
        credentials.expire_all_here()
        raise
    for user_id in user_ids:
        credentials.expire_person(user_id)
    return Ok()


def _explain(problem: Problem) -> RedirectResponse:
    """Opens the page, which says in the person's language what went wrong."""
    log.info("sign_on.failed", error=type(problem).__name__)
    return RedirectResponse("/?" + urlencode({"sign_on": type(problem).__name__}), 303)
