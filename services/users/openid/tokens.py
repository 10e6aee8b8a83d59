"""The checks of tokens. A token is trusted only as far as these go:

- The header names an algorithm of `_ALGORITHMS` and no `crit` extension. The key comes from the
  provider's own key set and fits the algorithm; keys inside a token are never used.
- `iss` and `aud` are exactly ours; a token for several audiences names us in `azp`; `exp`, `nbf`
  and `iat` agree with the database's clock, with a tolerance of a minute.
- An id_token has the nonce of the flow. A logout_token has no nonce, so neither passes for the
  other.

Authlib and joserfc are imported when they are first needed: a process that signs nobody on does not
pay for them.
"""

from typing import Any, NamedTuple

from chassis.database import clock

from ..settings import SignOnProvider

_ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
"""Accepted algorithms, and the type of key that each one needs."""
_REFUSED_HEADER_PARAMETERS = frozenset({"crit", "jwk", "jku", "x5u", "b64"})
"""Header parameters that would change how the token is checked, or bring a key of its own."""
_MAX_TOKEN_LENGTH = 16_384
_LEEWAY_SECONDS = 60
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_MAX_ID_LENGTH = 255


class CheckFailed(Exception):
    """A token or an answer failed a check. The text names the check and nothing of the token."""


class Logout(NamedTuple):
    """A checked logout_token. `subject` or `session_id` is there, or both."""

    issuer: str
    jti: str
    subject: str | None
    session_id: str | None
    issued_at: int


def check_header(token: str) -> dict[str, Any]:
    """The header of a token, whose signature is not checked yet. Raises CheckFailed."""
    from joserfc import jws  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415

    if len(token) > _MAX_TOKEN_LENGTH:
        raise CheckFailed("the token is too long")
    try:
        header = dict(jws.extract_compact(token.encode()).headers())
    except (JoseError, ValueError):
        raise CheckFailed("the token is malformed") from None
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise CheckFailed("the algorithm is not accepted")
    if _REFUSED_HEADER_PARAMETERS & header.keys():
        raise CheckFailed("the header has parameters that are not accepted")
    return header


def fitting_keys(keys: dict[str, Any], key_id: object, algorithm: str) -> list[dict[str, Any]]:
    """The keys that may have signed a token with this header. Without an id, all keys of the type
    fit, so a provider with several must name one."""
    listed = keys.get("keys")
    return [
        key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict)
        and key.get("kty") == _ALGORITHMS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (key_id is None or key.get("kid") == key_id)
    ]


def check_signature(token: str, key: dict[str, Any], algorithm: str) -> dict[str, Any]:
    """The claims of a token that was signed with this key. Raises CheckFailed."""
    from joserfc import jwk, jwt  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415

    try:
        verified = jwt.decode(token, jwk.import_key(key), algorithms=[algorithm])
    except (JoseError, ValueError):
        raise CheckFailed("the signature is wrong") from None
    return dict(verified.claims)


def check_id_token(
    settings: SignOnProvider,
    header: dict[str, Any],
    claims: dict[str, Any],
    nonce: str,
    access_token: object,
) -> None:
    """Raises CheckFailed. `access_token` is checked if the id_token has its hash."""
    from authlib.oidc.core import CodeIDToken  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415

    token = CodeIDToken(
        claims,
        header,
        {
            "iss": {"essential": True, "value": settings.issuer},
            "aud": {"essential": True, "value": settings.client_id},
        },
        {
            "nonce": nonce,
            "client_id": settings.client_id,
            "access_token": access_token if isinstance(access_token, str) else None,
        },
    )
    try:
        token.validate(now=int(clock.epoch()), leeway=_LEEWAY_SECONDS)
    except JoseError as error:
        raise CheckFailed(f"id_token: {_failed_check(error)}") from None
    if short_text(claims["sub"]) is None:
        raise CheckFailed("id_token: sub")


def check_logout_token(
    settings: SignOnProvider, header: dict[str, Any], claims: dict[str, Any]
) -> Logout:
    """What a logout_token says. Raises CheckFailed."""
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwt import JWTClaimsRegistry  # noqa: PLC0415

    registry = JWTClaimsRegistry(
        now=int(clock.epoch()),
        leeway=_LEEWAY_SECONDS,
        iss={"essential": True, "value": settings.issuer},
        aud={"essential": True, "value": settings.client_id},
        iat={"essential": True},
        exp={"essential": True},
        jti={"essential": True},
    )
    try:
        registry.validate(claims)
    except JoseError as error:
        raise CheckFailed(f"logout_token: {_failed_check(error)}") from None
    if str(header.get("typ", "logout+jwt")).lower() not in ("logout+jwt", "jwt"):
        raise CheckFailed("logout_token: typ")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(_LOGOUT_EVENT), dict):
        raise CheckFailed("logout_token: events")
    if "nonce" in claims:
        raise CheckFailed("logout_token: nonce")
    subject, session_id = short_text(claims.get("sub")), short_text(claims.get("sid"))
    jti = short_text(claims["jti"])
    if jti is None or (subject is None and session_id is None):
        raise CheckFailed("logout_token: jti, sub or sid")
    return Logout(settings.issuer, jti, subject, session_id, int(claims["iat"]))


def _failed_check(error: Exception) -> str:
    """The kind of the error and the name of the claim, without any value."""
    claim = getattr(error, "claim", "")
    return f"{type(error).__name__} {claim}".strip()


def short_text(value: object) -> str | None:
    """The value if it is a text that can be an id."""
    if isinstance(value, str) and 0 < len(value) <= _MAX_ID_LENGTH and "\x00" not in value:
        return value
    return None
