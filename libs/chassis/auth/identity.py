"""The identity of the caller: the gateway signs it, and every service verifies it.

The gateway looks up the API key or the session of a request once. It then names the caller to the
service, in a JWT (RFC 7519) that is signed with Ed25519 (RFC 8037). Services have no access to keys
and sessions, and do not trust the network: a request that reaches a service past the gateway has no
valid token. A token is valid for one service, so a service cannot use it against another one, and
for a minute at most, so a stolen one is soon useless. Only the gateway has the private key.

The gateway reuses a token for half a minute, and a service caches the result of each verification,
so signatures cost little on the hot path. The service compares the times in a token with the clock
of its database, because its own clock may be wrong (see `chassis.database.clock`).

To rotate the key pair without an outage, the services get two public keys for a while
(docs/operations.md).
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

from chassis.database import clock
from chassis.http.errors import NotAnAdministrator, NotSignedIn, Problem, ReadOnlyKey

IDENTITY_HEADER = "warble-identity"
LIFETIME_SECONDS = 60
LEEWAY_SECONDS = 5
"""How far the gateway's clock may be ahead of the database's."""
ISSUER = "warble-gateway"
_CACHE_SIZE = 10_000
_READ_METHODS = ("GET", "HEAD")


class KeyScope(StrEnum):
    """What a key may be used for. Each scope includes the ones before it."""

    read = "read"
    write = "write"
    account = "account"
    """Also manage the person's own credentials, and delete the person."""
    admin = "admin"
    """Also the operations of administrators, if the person is one."""

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
    """The key of the request, or the key with which its session was started."""
    session_id: int | None = None
    key_expires_at: int | None = None
    """When the key expires, in seconds since the epoch. None if it does not expire."""
    roles: frozenset[str] = frozenset()
    """The names of the person's roles, as far as the credential allows to use them. Its scope must
    cover `account`: the leaked key of a script has no roles."""

    @property
    def administrator(self) -> bool:
        """Whether the person is an administrator, and this credential allows to act as one."""
        return self.scope is KeyScope.admin

    def has_role(self, role: str) -> bool:
        """Administrators have every role."""
        return self.administrator or role in self.roles

    def require_person(self, method: str) -> None:
        """Raises NotSignedIn if this is the gateway itself, and ReadOnlyKey if the credential does
        not allow requests of this HTTP method."""
        if self.user_id < 1:
            raise NotSignedIn
        if self.scope is KeyScope.read and method not in _READ_METHODS:
            raise ReadOnlyKey


GATEWAY = Identity(0, KeyScope.read)
"""The gateway itself, when it does not act for a person."""


def decode_key(text: str) -> bytes:
    """Decodes a key of 32 raw bytes in URL-safe base64. Raises ValueError."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(raw) != 32:
        raise ValueError("an Ed25519 key has 32 bytes")
    return raw


def decode_keys(text: str) -> list[bytes]:
    """Like `decode_key`, for one key or several with commas between them."""
    return [decode_key(key.strip()) for key in text.split(",")]


class Signer:
    """Signs identities with the first of its keys. Reuses each token for half of its lifetime."""

    def __init__(self, private_keys: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(decode_keys(private_keys)[0])
        self._signed: dict[tuple[Identity, str], tuple[str, float]] = {}

    def sign(self, identity: Identity, audience: str) -> str:
        """`audience` is the name of the service that the token is for."""
        now = time.time()
        cached = self._signed.get((identity, audience))
        if cached is not None and cached[1] > now:
            return cached[0]
        claims: dict[str, Any] = {
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
            "roles": sorted(identity.roles) or None,
        }
        claims |= {name: value for name, value in optional.items() if value is not None}
        token = jwt.encode(claims, self._key, algorithm="EdDSA")
        if len(self._signed) >= _CACHE_SIZE:
            self._signed.clear()
        self._signed[identity, audience] = (token, now + LIFETIME_SECONDS / 2)
        return token


class Verifier:
    """Verifies identities. Caches each result for as long as the token is valid."""

    def __init__(self, public_keys: str, audience: str) -> None:
        self._keys = [Ed25519PublicKey.from_public_bytes(key) for key in decode_keys(public_keys)]
        self._audience = audience
        self._verified: dict[str, tuple[Identity, float]] = {}

    def verify(self, token: str) -> Identity:
        """Raises NotSignedIn for a token that is forged, expired, or for another service."""
        now = clock.epoch()
        cached = self._verified.get(token)
        if cached is not None and cached[1] > now:
            return cached[0]
        try:
            claims = self._claims(token)
            issued_at, expires_at = int(claims["iat"]), int(claims["exp"])
            identity = Identity(
                int(claims["sub"]),
                KeyScope(claims["scope"]),
                key_id=claims.get("key"),
                session_id=claims.get("sid"),
                key_expires_at=claims.get("key_exp"),
                roles=frozenset(claims.get("roles", ())),
            )
        except (jwt.InvalidTokenError, ValueError) as error:
            raise NotSignedIn from error
        if not issued_at - LEEWAY_SECONDS <= now < expires_at:
            raise NotSignedIn
        if expires_at - issued_at > LIFETIME_SECONDS:
            raise NotSignedIn
        if len(self._verified) >= _CACHE_SIZE:
            self._verified.clear()
        self._verified[token] = (identity, expires_at)
        return identity

    def _claims(self, token: str) -> dict[str, Any]:
        """Raises PyJWT's InvalidTokenError if none of the keys verifies the token."""
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
                        # `verify` compares these times with the clock of the database.
                        "verify_exp": False,
                        "verify_iat": False,
                    },
                )
            except jwt.InvalidSignatureError:
                continue
        raise jwt.InvalidSignatureError


def _identify(request: Request) -> Identity:
    identity: Identity = request.app.state.verifier.verify(request.headers.get(IDENTITY_HEADER, ""))
    request.state.identity = identity
    structlog.contextvars.bind_contextvars(user_id=identity.user_id)
    return identity


async def _signed_in(request: Request) -> Identity:
    identity = _identify(request)
    identity.require_person(request.method)
    return identity


async def _administrator(request: Request) -> Identity:
    identity = await _signed_in(request)
    if not identity.administrator:
        raise NotAnAdministrator
    return identity


def require_role(role: str, refusal: type[Problem]) -> Any:
    """A dependency like `Administrator`, for people who have the role. Others get the refusal."""

    async def identity_with_role(request: Request) -> Identity:
        identity = await _signed_in(request)
        if not identity.has_role(role):
            raise refusal
        return identity

    return Depends(identity_with_role)


async def _gateway(request: Request) -> Identity:
    identity = _identify(request)
    if identity.user_id != GATEWAY.user_id:
        raise NotSignedIn
    return identity


SignedIn = Annotated[Identity, Depends(_signed_in)]
Administrator = Annotated[Identity, Depends(_administrator)]
FromGateway = Annotated[Identity, Depends(_gateway)]
