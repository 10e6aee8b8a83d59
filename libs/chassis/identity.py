"""Who is asking: an identity that the gateway signs and every service verifies for itself.

A JWT (RFC 7519) signed with Ed25519 (RFC 8037), valid for a minute at most and for one service.
Only the gateway holds the private key.
"""

import base64
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import Depends, Request

from . import clock
from .errors import NotAnAdministrator, NotSignedIn, ReadOnlyKey

HEADER = "warble-identity"
LIFETIME_SECONDS = 60
LEEWAY_SECONDS = 5
"""How far the gateway's clock may be ahead."""
ISSUER = "warble-gateway"
_CACHED = 10_000
_READING = ("GET", "HEAD")


class KeyScope(StrEnum):
    """What a key may be used for; each scope includes those before it."""

    read = "read"
    write = "write"
    account = "account"
    """Also manage the person's own keys and sessions, and erase the account."""
    admin = "admin"
    """Also what only administrators may do, if the person is one."""

    def covers(self, other: "KeyScope") -> bool:
        scopes = list(KeyScope)
        return scopes.index(self) >= scopes.index(other)


@dataclass(frozen=True)
class Identity:
    """The person who makes a request, and what their credential allows."""

    user_id: int
    scope: KeyScope
    """What the credential allows this person: `admin` only if the person is an administrator."""
    key_id: int | None = None
    """The key of the request, or the key that began its session."""
    session_id: int | None = None
    key_expires_at: int | None = None
    """When the key expires, in seconds since the epoch; None for a key without an end."""

    @property
    def administrator(self) -> bool:
        """Whether the person is an administrator and the credential may be used as one."""
        return self.scope is KeyScope.admin


GATEWAY = Identity(0, KeyScope.read)
"""The gateway itself, when it acts for no person."""


def decode_key(text: str) -> bytes:
    """The 32 raw bytes of a key in URL-safe base64. Raises ValueError for anything else."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(raw) != 32:
        raise ValueError("an Ed25519 key has 32 bytes")
    return raw


def decode_keys(text: str) -> list[bytes]:
    """As `decode_key`, of one key, or several with commas between them."""
    return [decode_key(key.strip()) for key in text.split(",")]


class Signer:
    """Signs identities with the first of its keys, and reuses each until half its life is over."""

    def __init__(self, private_keys: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(decode_keys(private_keys)[0])
        self._signed: dict[tuple[Identity, str], tuple[str, float]] = {}

    def token(self, identity: Identity, audience: str) -> str:
        now = time.time()
        held = self._signed.get((identity, audience))
        if held is not None and held[1] > now:
            return held[0]
        claims = {
            "iss": ISSUER,
            "sub": str(identity.user_id),
            "scope": identity.scope.value,
            "aud": audience,
            "iat": int(now),
            "exp": int(now) + LIFETIME_SECONDS,
        }
        optional = {
            "key": identity.key_id,
            "sid": identity.session_id,
            "key_exp": identity.key_expires_at,
        }
        claims |= {name: value for name, value in optional.items() if value is not None}
        token = jwt.encode(claims, self._key, algorithm="EdDSA")
        if len(self._signed) >= _CACHED:
            self._signed.clear()
        self._signed[identity, audience] = (token, now + LIFETIME_SECONDS / 2)
        return token


class Verifier:
    """Verifies identities, and remembers the outcome while a token is valid."""

    def __init__(self, public_keys: str, audience: str) -> None:
        self._keys = [Ed25519PublicKey.from_public_bytes(key) for key in decode_keys(public_keys)]
        self._audience = audience
        self._verified: dict[str, tuple[Identity, float]] = {}

    def identity(self, token: str) -> Identity:
        """Raises NotSignedIn for a token that is forged, expired or meant for another service."""
        now = clock.epoch()
        held = self._verified.get(token)
        if held is not None and held[1] > now:
            return held[0]
        try:
            claims = self._claims(token)
            issued_at, expires_at = int(claims["iat"]), int(claims["exp"])
            identity = Identity(
                int(claims["sub"]),
                KeyScope(claims["scope"]),
                key_id=claims.get("key"),
                session_id=claims.get("sid"),
                key_expires_at=claims.get("key_exp"),
            )
        except (jwt.InvalidTokenError, ValueError) as error:
            raise NotSignedIn from error
        if not issued_at - LEEWAY_SECONDS <= now < expires_at:
            raise NotSignedIn
        if expires_at - issued_at > LIFETIME_SECONDS:
            raise NotSignedIn
        if len(self._verified) >= _CACHED:
            self._verified.clear()
        self._verified[token] = (identity, expires_at)
        return identity

    def _claims(self, token: str) -> dict[str, Any]:
        """Raises what PyJWT raises for a token that none of the keys has signed."""
        for key in self._keys:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=["EdDSA"],
                    audience=self._audience,
                    issuer=ISSUER,
                    options={
                        "require": ["exp", "iat", "sub", "scope", "aud", "iss"],
                        # The verifier compares these with the database's clock.
                        "verify_exp": False,
                        "verify_iat": False,
                    },
                )
            except jwt.InvalidSignatureError:
                continue
        raise jwt.InvalidSignatureError


def _identify(request: Request) -> Identity:
    identity: Identity = request.app.state.verifier.identity(request.headers.get(HEADER, ""))
    request.state.identity = identity
    structlog.contextvars.bind_contextvars(user_id=identity.user_id)
    return identity


async def _signed_in(request: Request) -> Identity:
    identity = _identify(request)
    if identity.user_id < 1:
        raise NotSignedIn
    if identity.scope is KeyScope.read and request.method not in _READING:
        raise ReadOnlyKey
    return identity


async def _administrator(request: Request) -> Identity:
    identity = await _signed_in(request)
    if not identity.administrator:
        raise NotAnAdministrator
    return identity


async def _gateway(request: Request) -> Identity:
    identity = _identify(request)
    if identity.user_id != GATEWAY.user_id:
        raise NotSignedIn
    return identity


SignedIn = Annotated[Identity, Depends(_signed_in)]
Administrator = Annotated[Identity, Depends(_administrator)]
FromGateway = Annotated[Identity, Depends(_gateway)]
