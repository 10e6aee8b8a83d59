"""Signing in with the company's account: the browser's way to an identity provider and back.

`start` sends the browser to the provider and sets a cookie that binds the answer to this browser.
The provider sends the browser back to `callback`, which exchanges the answer for a session, as
signing in with a key does. A failure opens the page with the name of the error, because a person
looks at the response. Users checks everything: see `services/users/openid/` and docs/adr/0037.
"""

import json
import re
from types import MappingProxyType
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlencode

import structlog
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict

from chassis.auth import api_keys
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

from .auth import Caller
from .credentials import CredentialCache, is_session_token, new_session_token
from .sign_in import (
    COOKIE,
    public_url,
    rate_limited,
    read_small_body,
    refuse_other_sites,
    request_users,
    set_cookie,
)
from .upstream import ClientDisconnected

PREFIX = "/api/sign-on"
FLOW_COOKIE = "warble_sign_on"
_FLOW_SECONDS = 600
_MAX_LOGOUT_BYTES = 20_000
_MAX_NEXT_LENGTH = 1000
_TIMEOUT_SECONDS = 15
"""For users, which calls the provider in this time."""
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A path of this host: printable ASCII without a backslash, which browsers read as a slash."""
_NOT_PAGES = ("/api/", "/uploads/", "/docs")

log = structlog.get_logger()


class ProviderNotFound(Problem):
    status = 404
    message = "There is no such way to sign in here."


class SignOnUnavailable(Problem):
    status = 503
    message = "The company's sign-in service doesn't respond. Try again in a moment."
    headers = MappingProxyType({"Retry-After": "5"})


class AccountScopeRequired(Problem):
    status = 403
    message = "This key doesn't allow managing the account."


class LogoutNotAccepted(Problem):
    status = 400
    message = "The logout token isn't valid."


class SignOnExpired(Problem):
    status = 409
    message = "This sign-in took too long, was used before, or began in another browser. Try again."


class SignOnCancelled(Problem):
    status = 403
    message = "The company's sign-in service didn't sign you in."


class SignOnNotTrusted(Problem):
    status = 403
    message = "The answer of the company's sign-in service failed a check."


class NotAdmitted(Problem):
    status = 403
    message = "Your account is in no group that may use Warble. Ask an administrator."


class TooManyGroups(Problem):
    status = 403
    message = "Your account is in so many groups that they weren't sent."


class NameNotSent(Problem):
    status = 403
    message = "The company's sign-in service sent no name for you."


class PersonDeactivated(Problem):
    status = 403
    message = "Your account was deactivated. Ask an administrator."


class IdentityTaken(Problem):
    status = 409
    message = "This company account is linked to someone else."


class AnotherIdentityLinked(Problem):
    status = 409
    message = "Another account of the same provider is linked to you."


_PROBLEMS: dict[str, type[Problem]] = {
    problem.__name__: problem
    for problem in (
        ProviderNotFound,
        SignOnUnavailable,
        LogoutNotAccepted,
        SignOnExpired,
        SignOnCancelled,
        SignOnNotTrusted,
        NotAdmitted,
        TooManyGroups,
        NameNotSent,
        PersonDeactivated,
        IdentityTaken,
        AnotherIdentityLinked,
    )
}
"""Errors of users. All but the first three are told by the page, see `_explain`."""


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


class LocationView(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"result": True, "location": "https://login.example.com/authorize?…"}]
        }
    )

    result: Literal[True] = True
    location: str
    """Where the browser goes to sign in."""


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


Provider = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
Next = Annotated[
    str,
    Query(
        max_length=_MAX_NEXT_LENGTH,
        description="The path of the page that opens afterwards. Anything else opens the first.",
    ),
]

router = APIRouter(prefix=PREFIX, tags=["session"])
"""Needs what the router of `sign_in` needs."""


@router.head("", include_in_schema=False, dependencies=[Depends(rate_limited)])
@router.get(
    "",
    summary="List the ways to sign in",
    dependencies=[Depends(rate_limited)],
    openapi_extra={"security": []},
)
async def providers(request: Request) -> SignOnView:
    """The identity providers with whose accounts people sign in here, and whether the page offers
    to sign in with a key too. `POST /api/session` accepts keys either way."""
    return await _offered(request)


@router.get(
    "/{provider}/start",
    status_code=303,
    response_class=RedirectResponse,
    summary="Sign in at an identity provider: open this address in a browser",
    dependencies=[Depends(rate_limited)],
    openapi_extra={"security": []},
)
async def start(provider: Provider, request: Request, next: Next = "/") -> RedirectResponse:
    """Sends the browser to the provider, and sets a cookie that binds the answer to this browser.
    If the provider does not respond, the page opens with the reason, `/?sign_on=…`."""
    cookie = new_session_token()
    try:
        location = await _begin(provider, request, cookie, next)
    except Problem as problem:
        return _explain(problem)
    response = RedirectResponse(location, 303)
    _set_flow_cookie(request, response, cookie)
    return response


@router.get(
    "/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    summary="The address to which identity providers send the browser back",
    dependencies=[Depends(rate_limited)],
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
        signed_on = await _end(provider, request, token, state=state, code=code, iss=iss)
    except Problem as problem:
        response = _explain(problem)
    else:
        response = RedirectResponse(_local_path(signed_on.next), 303)
        set_cookie(request, response, token, signed_on.seconds)
        cache: CredentialCache = request.app.state.credentials
        if signed_on.previous_session is not None:
            cache.expire(bytes.fromhex(signed_on.previous_session))
        # The sign-on may have taken rights away, which other sessions must not keep until the
        # event arrives.
        cache.expire_person(signed_on.user_id)
    _delete_flow_cookie(request, response)
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
    if provider not in {offered.name for offered in (await _offered(request)).providers}:
        raise ProviderNotFound
    if not caller.scope.covers(KeyScope.account):
        raise AccountScopeRequired
    cookie = new_session_token()
    location = await _begin(provider, request, cookie, next, link_user_id=caller.user_id)
    _set_flow_cookie(request, response, cookie)
    return LocationView(location=location)


@router.post(
    "/{provider}/logout",
    summary="Back-channel logout: for identity providers",
    responses=responses(ProviderNotFound, SignOnUnavailable, LogoutNotAccepted),
    dependencies=[Depends(rate_limited)],
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
    try:
        answer = await _ask(request, f"{provider}/logouts", LogoutDraft(logout_token=tokens[0]))
    except (BadGateway, ServiceTimeout, ServiceUnavailable):
        # Users may have ended sessions before the connection broke.
        request.app.state.credentials.expire_all()
        raise
    for user_id in LoggedOut.model_validate_json(answer).user_ids:
        request.app.state.credentials.expire_person(user_id)
    return Ok()


async def _offered(request: Request) -> SignOnView:
    response = await request_users(request, "GET", "/internal/sign-on")
    if response.http.status != 200 or response.body is None:
        raise BadGateway
    return SignOnView.model_validate_json(response.body)


async def _begin(
    provider: str, request: Request, cookie: str, next: str, *, link_user_id: int | None = None
) -> str:
    """Begins a sign-on; returns where the browser goes. `cookie` is the one that binds it."""
    previous = request.cookies.get(COOKIE, "")
    draft = FlowDraft(
        browser_digest=_digest(cookie),
        redirect_uri=f"{public_url(request)}{PREFIX}/{provider}/callback",
        next=_local_path(next),
        link_user_id=link_user_id,
        previous_session=_digest(previous) if is_session_token(previous) else None,
    )
    location = json.loads(await _ask(request, f"{provider}/flows", draft))["location"]
    assert isinstance(location, str)
    return location


async def _end(
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
        # Without a cookie the digest fits no flow, and users says so.
        browser_digest=_digest(request.cookies.get(_flow_cookie(request), "")),
        code=code,
        iss=iss,
        session_digest=_digest(token),
        client=request.headers.get("user-agent", ""),
    )
    return SignedOn.model_validate_json(await _ask(request, f"{provider}/answers", draft))


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
    raise _PROBLEMS.get(name, BadGateway)


def _explain(problem: Problem) -> RedirectResponse:
    """Opens the page, which says in the person's language what went wrong."""
    log.info("sign_on.failed", error=type(problem).__name__)
    return RedirectResponse("/?" + urlencode({"sign_on": type(problem).__name__}), 303)


def _local_path(next: str) -> str:
    """The path if it is one of the page's own; `/` for everything that could lead elsewhere."""
    is_local = _LOCAL_PATH.fullmatch(next) is not None and not next.startswith(_NOT_PAGES)
    return next if is_local else "/"


def _digest(secret: str) -> str:
    return api_keys.digest(secret.encode()).hex()


def _flow_cookie(request: Request) -> str:
    """With TLS, a prefix that keeps other hosts of the domain from setting the cookie."""
    return f"__Host-{FLOW_COOKIE}" if _is_secure(request) else FLOW_COOKIE


def _is_secure(request: Request) -> bool:
    return public_url(request).startswith("https://")


def _set_flow_cookie(request: Request, response: Response, cookie: str) -> None:
    # Not SameSite=strict: the provider's redirect comes from another site.
    response.set_cookie(
        _flow_cookie(request),
        cookie,
        max_age=_FLOW_SECONDS,
        httponly=True,
        samesite="lax",
        secure=_is_secure(request),
    )


def _delete_flow_cookie(request: Request, response: Response) -> None:
    response.delete_cookie(
        _flow_cookie(request), httponly=True, samesite="lax", secure=_is_secure(request)
    )
