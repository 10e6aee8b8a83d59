"""Signing in on the page: a key is exchanged for a session, whose token is set as a cookie.

The token is random, and scripts cannot read the cookie. Users stores the token's digest with the
session, so that a session can be listed and ended: see docs/adr/0011.
"""

import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from chassis.auth import api_keys
from chassis.auth.identity import GATEWAY, IDENTITY_HEADER, Identity
from chassis.http.errors import BadGateway, InvalidRequest, NotSignedIn, Problem, responses
from chassis.observability.request_context import propagation_headers

from .credential_cache import CredentialCache, is_session_token, new_session_token
from .limits import RateLimits, client_address
from .settings import Settings
from .upstream import ClientDisconnected, RequestBody, UpstreamResponse

PATH = "/api/session"
COOKIE = "warble_session"
EXPECTED_PERSON_HEADER = "warble-user-id"
"""The id of the person whom the client believes to be signed in. Clients may leave it out."""

_MAX_BODY_BYTES = 4096


class CrossSiteRequest(Problem):
    status = 403
    message = "This request didn't come from Warble's own page."


class SessionChanged(Problem):
    status = 409
    message = "Someone else is signed in now. Reload the page."


def require_expected_person(expected: str | None, identity: Identity) -> None:
    """Refuses a request from a page that still shows another person. Raises SessionChanged.

    All tabs of a browser share one cookie. A tab that still shows Ann, after Bob has signed in with
    another tab, would act in Bob's name. `expected` is the value of `EXPECTED_PERSON_HEADER`."""
    if expected is not None and expected != str(identity.user_id):
        raise SessionChanged


def is_same_origin(headers: Mapping[str, str]) -> bool | None:
    """Whether a page of this host makes the request; None if the headers do not tell.

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


class SignedOutView(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True}]})

    result: Literal[True] = True
    sign_out_url: str | None = None
    """Where the browser signs out at the identity provider. Missing after signing in with a key."""


async def refuse_other_sites(request: Request) -> None:
    """Other sites cannot sign anyone in or out; clients that are not browsers can."""
    if is_same_origin(request.headers) is False:
        raise CrossSiteRequest


async def count_towards_address_limit(request: Request, response: Response) -> None:
    """Counts the request towards the limit of its address. Raises TooManyRequests."""
    limits: RateLimits = request.app.state.limits
    if limits.enabled:
        now = time.monotonic()
        for name, value in limits.sign_ins.acquire(client_address(request.scope), now):
            response.headers[name.decode()] = value.decode()


async def small_body(request: Request) -> bytes:
    """The request body, read with a small limit because its sender is not authenticated yet."""
    return await read_small_body(request, _MAX_BODY_BYTES)


async def read_small_body(request: Request, max_bytes: int) -> bytes:
    return b"".join([chunk async for chunk in RequestBody(request.receive, max_bytes)])


async def _credentials(request: Request) -> Credentials:
    try:
        return Credentials.model_validate_json(await small_body(request))
    except (ClientDisconnected, ValidationError) as error:
        raise InvalidRequest(reason='Send {"api_key": "…"} as the body.') from error


router = APIRouter(tags=["session"])
"""Needs `app.state.credentials`, `upstream`, `signer` and `limits`."""


@router.post(
    PATH,
    summary="Sign in: exchange an api-key for a session",
    responses=responses(NotSignedIn, CrossSiteRequest),
    dependencies=[Depends(refuse_other_sites), Depends(count_towards_address_limit)],
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
    """Send `{"api_key": "wrb_…"}`. The response sets the cookie `warble_session`, which scripts
    cannot read; the browser sends it with every later request. A session that the browser already
    had is ended.

    The session lasts 30 days by default. It ends earlier when its key ends, by signing out, or by
    `DELETE /api/users/{id}/sessions/{session_id}`.
    """
    cache: CredentialCache = request.app.state.credentials
    key = credentials.api_key.get_secret_value().encode()
    identity = await cache.identity_of_key(key, request.scope)
    token = new_session_token()
    draft = SessionDraft(
        digest=api_keys.digest(token.encode()).hex(),
        key_digest=api_keys.digest(key).hex(),
        client=request.headers.get("user-agent", ""),
    )
    started = await request_users(request, "POST", "/internal/sessions", draft)
    if started.http.status == 404:
        raise NotSignedIn
    if started.http.status != 201 or started.body is None:
        raise BadGateway
    seconds = StartedSession.model_validate_json(started.body).seconds
    await end_previous_session(request)
    set_cookie(request, response, token, seconds)
    return SessionView(user_id=identity.user_id, administrator=identity.administrator)


@router.delete(
    PATH,
    summary="Sign out: end the session",
    response_model_exclude_none=True,
    responses=responses(CrossSiteRequest),
    dependencies=[Depends(refuse_other_sites), Depends(count_towards_address_limit)],
    openapi_extra={"security": []},
)
async def sign_out(request: Request, response: Response) -> SignedOutView:
    """Ends the session on the server, so that no copy of the cookie works any longer, and removes
    the cookie. Signing out without a session succeeds too, and so does signing out in the name of
    another person: nobody who leaves a browser should stay signed in there.

    If an account at an identity provider started the session, open `sign_out_url` to sign out there
    too."""
    token = request.cookies.get(COOKIE)
    sign_out_url = await _end_session(request, token) if token else None
    if sign_out_url is not None:
        back = urlencode({"post_logout_redirect_uri": f"{public_url(request)}/"})
        sign_out_url = f"{sign_out_url}&{back}"
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_https(request))
    return SignedOutView(sign_out_url=sign_out_url)


class SessionDraft(BaseModel):
    """The request to users that starts a session."""

    digest: str
    key_digest: str
    client: str


class StartedSession(BaseModel):
    """The response of users."""

    seconds: int


async def end_previous_session(request: Request) -> None:
    """Ends the session that the browser already has. Raises what Upstream raises."""
    previous = request.cookies.get(COOKIE)
    if previous:
        await _end_session(request, previous)


def set_cookie(request: Request, response: Response, token: str, seconds: int) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=seconds,
        httponly=True,
        samesite="strict",
        secure=_is_https(request),
    )


async def _end_session(request: Request, token: str) -> str | None:
    """Ends the session with this token if there is one; returns where to sign out at its identity
    provider. Raises what Upstream raises."""
    if not is_session_token(token):
        return None
    digest = api_keys.digest(token.encode())
    response = await request_users(request, "DELETE", f"/internal/sessions/{digest.hex()}")
    if response.http.status != 200:
        raise BadGateway
    # No gateway may use its cache until the event of users has arrived.
    request.app.state.credentials.expire(digest)
    sign_out_url: str | None = json.loads(response.body or b"{}").get("sign_out_url")
    return sign_out_url


async def request_users(
    request: Request,
    method: str,
    path: str,
    draft: BaseModel | None = None,
    timeout_seconds: float | None = None,
) -> UpstreamResponse:
    """Makes an internal call in the name of the gateway. Raises what Upstream raises."""
    state = request.app.state
    headers = {IDENTITY_HEADER: state.signer.sign(GATEWAY, "users"), **propagation_headers()}
    body = None
    if draft is not None:
        content = draft.model_dump_json().encode()
        headers |= {"content-type": "application/json", "content-length": str(len(content))}
        body = _single_chunk(content)
    response: UpstreamResponse = await state.upstream.request(
        "users", method, path, headers, body, timeout_seconds
    )
    return response


async def _single_chunk(content: bytes) -> AsyncIterator[bytes]:
    yield content


def public_url(request: Request) -> str:
    """The address of Warble in browsers, without a slash at the end."""
    settings: Settings = request.app.state.settings
    return settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"


def _is_https(request: Request) -> bool:
    """Also looks at the settings and at the page's `Origin`, because a proxy that terminates TLS
    may not report it."""
    origin = request.headers.get("origin", "")
    return public_url(request).startswith("https://") or origin.startswith("https://")
