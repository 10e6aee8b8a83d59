"""Signing in on the page: a key is exchanged for a cookie that no script can read.

The cookie is sealed and nothing is kept: any gateway opens it. It holds the digest of the key, so
that it is worth as much as the key, and ends with it.
"""

import base64
import os
import struct
import time
from collections.abc import Mapping
from typing import Annotated, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from chassis import api_keys
from chassis.app import Done
from chassis.errors import InvalidRequest, MethodNotAllowed, NotSignedIn, Problem, responses
from chassis.identity import decode_keys

from .keys import Keys
from .limits import Limits, address_of
from .upstream import Body, ClientGone

PATH = "/api/session"
COOKIE = "warble_session"

_INFO = b"warble gateway: session cookie, v1"
_NONCE_BYTES = 12
_HELD = struct.Struct(">32sQ")
"""The digest of the key; the second of the epoch at which the session began."""
_CACHED = 100_000
_BODY_BYTES = 4096


class CrossSiteRequest(Problem):
    status = 403
    message = "This call did not come from Warble's own page."


def from_our_page(headers: Mapping[str, str]) -> bool | None:
    """Whether a page of this very host makes the call; None where the caller does not say, which
    a browser does with every write."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return None
    host = origin.partition("://")[2].lower()
    return host != "" and host == headers.get("host", "").lower()


class Sessions:
    def __init__(self, private_keys: str, days: float) -> None:
        """`private_keys` are the gateways' own, as in the settings: a seal is made of each, and the
        first closes what is new."""
        self._seals = [
            AESGCM(HKDF(SHA256(), 32, salt=None, info=_INFO).derive(key))
            for key in decode_keys(private_keys)
        ]
        self.seconds = int(days * 24 * 3600)
        self._opened: dict[str, tuple[bytes, float]] = {}

    def sealed(self, digest: bytes, began: float) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        held = self._seals[0].encrypt(nonce, _HELD.pack(digest, int(began)), None)
        return base64.urlsafe_b64encode(nonce + held).rstrip(b"=").decode()

    def digest(self, cookie: str) -> bytes:
        """The digest of the session's key. Raises NotSignedIn for a cookie that we did not seal,
        or too long ago."""
        opened = self._opened.get(cookie) or self._open(cookie)
        if opened[1] <= time.time():
            raise NotSignedIn
        return opened[0]

    def _open(self, cookie: str) -> tuple[bytes, float]:
        try:
            raw = base64.b64decode(cookie + "=" * (-len(cookie) % 4), b"-_", validate=True)
            digest, began = _HELD.unpack(self._unsealed(raw))
        except (InvalidTag, ValueError) as error:
            raise NotSignedIn from error
        if len(self._opened) >= _CACHED:
            self._opened.clear()
        opened = (digest, began + self.seconds)
        self._opened[cookie] = opened
        return opened

    def _unsealed(self, raw: bytes) -> bytes:
        """Raises InvalidTag, and ValueError for what is too short."""
        for seal in self._seals:
            try:
                return seal.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None)
            except InvalidTag:
                continue
        raise InvalidTag


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
    """No other site signs anyone in or out; what is no browser may."""
    if from_our_page(request.headers) is False:
        raise CrossSiteRequest


async def _credentials(request: Request) -> Credentials:
    """Read by hand: what stands before the sign-in takes no body of any length."""
    try:
        body = b"".join([chunk async for chunk in Body(request.receive, _BODY_BYTES)])
        return Credentials.model_validate_json(body)
    except (ClientGone, ValidationError) as error:
        raise InvalidRequest(reason='The body is not {"api_key": "…"}.') from error


router = APIRouter(tags=["session"])
"""`app.state.keys`, `app.state.sessions` and `app.state.limits` are the gateway's."""


@router.post(
    PATH,
    summary="Sign in: exchange a key for a session",
    responses=responses(NotSignedIn, CrossSiteRequest),
    dependencies=[Depends(_from_no_other_page)],
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
    """The session is a cookie that no script can read. It lasts 30 days by default, and ends
    with the key."""
    sessions: Sessions = request.app.state.sessions
    keys: Keys = request.app.state.keys
    limits: Limits = request.app.state.limits
    if limits.on:
        caller = address_of(request.scope)
        for name, value in limits.sign_ins.take(caller, time.monotonic()):
            response.headers[name.decode()] = value.decode()
    key = credentials.api_key.get_secret_value().encode()
    identity = await keys.owner(key, request.scope)
    response.set_cookie(
        COOKIE,
        sessions.sealed(api_keys.digest(key), time.time()),
        max_age=sessions.seconds,
        httponly=True,
        samesite="strict",
        secure=_by_https(request),
    )
    return SessionView(user_id=identity.user_id, administrator=identity.administrator)


@router.delete(
    PATH,
    summary="Sign out",
    responses=responses(CrossSiteRequest),
    dependencies=[Depends(_from_no_other_page)],
    openapi_extra={"security": []},
)
async def sign_out(request: Request, response: Response) -> Done:
    """Takes the cookie back, also one that is not valid any more."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_by_https(request))
    return Done()


@router.api_route(PATH, methods=["GET", "HEAD", "PUT", "PATCH", "OPTIONS"], include_in_schema=False)
async def neither() -> None:
    raise MethodNotAllowed("DELETE, POST")


def _by_https(request: Request) -> bool:
    """Whoever ends TLS before us may not say so; the page's own address does."""
    origin = request.headers.get("origin", "")
    return request.url.scheme == "https" or origin.startswith("https://")
