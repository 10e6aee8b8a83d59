"""Each attack changes one thing of a sign-on that would otherwise succeed."""

import base64
import functools
import hmac
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwk, jws, jwt

from tests.identity_provider import CLIENT_ID, IdentityProvider, Token, encode


class Attack(NamedTuple):
    reason: str
    """The published hole that the attack comes from, or the rule that it breaks."""
    prepare: Callable[[IdentityProvider], None]
    error: str = "SignOnNotTrusted"


def _claims(**claims: Any) -> Callable[[IdentityProvider], None]:
    def prepare(provider: IdentityProvider) -> None:
        provider.claims = claims

    return prepare


def _answer(**answer: str | None) -> Callable[[IdentityProvider], None]:
    def prepare(provider: IdentityProvider) -> None:
        provider.answer = answer

    return prepare


def _late(**seconds: int) -> Callable[[IdentityProvider], None]:
    def prepare(provider: IdentityProvider) -> None:
        provider.claims = {name: int(time.time()) + offset for name, offset in seconds.items()}

    return prepare


def _unsigned(provider: IdentityProvider) -> None:
    provider.encode = lambda header, claims: f"{encode({'alg': 'none'})}.{encode(claims)}."


def _signed_with_public_key(provider: IdentityProvider) -> None:
    def forge(header: Token, claims: Token) -> str:
        head = f"{encode({**header, 'alg': 'HS256'})}.{encode(claims)}"
        mac = hmac.new(provider.key.as_pem(private=False), head.encode(), "sha256").digest()
        return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    provider.encode = forge


@functools.cache
def _own_key() -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048)


def _signed_with_own_key(**header: Any) -> Callable[[IdentityProvider], None]:
    """The attacker signs with a key that the token brings or names."""

    def prepare(provider: IdentityProvider) -> None:
        key = _own_key()

        def forge(_: Token, claims: Token) -> str:
            brought = {
                name: key.as_dict(private=False) if value == "own" else value
                for name, value in header.items()
            }
            registry = jws.JWSRegistry(strict_check_header=False)
            full = {"alg": "RS256", **brought}
            return jws.serialize_compact(full, json.dumps(claims), key, registry=registry)

        provider.encode = forge

    return prepare


def _critical(provider: IdentityProvider) -> None:
    def forge(header: Token, claims: Token) -> str:
        head = {**header, "crit": ["bork"], "bork": True}
        signing_input = f"{encode(head)}.{encode(claims)}".encode()
        assert provider.key.private_key
        signature = provider.key.private_key.sign(signing_input, PKCS1v15(), SHA256())
        return (
            f"{signing_input.decode()}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
        )

    provider.encode = forge


def _another_algorithm(provider: IdentityProvider) -> None:
    provider.encode = lambda header, claims: jwt.encode(
        {**header, "alg": "RS512"},
        {**claims, "at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        provider.key,
        algorithms=["RS512"],
    )


def _large(provider: IdentityProvider) -> None:
    provider.claims = {"padding": "x" * 20_000}


def _demands_issuer(provider: IdentityProvider) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": True}


def _other_userinfo(provider: IdentityProvider) -> None:
    provider.claims = {"groups": None}
    provider.userinfo = {"sub": "somebody else", "groups": ["staff", "admins"]}


ATTACKS = {
    "an unsigned token": Attack("CVE-2022-29217: alg none", _unsigned),
    "HMAC with the public key": Attack("CVE-2022-29217: RS256 as HS256", _signed_with_public_key),
    "a key in the token": Attack("CVE-2026-27962: embedded jwk", _signed_with_own_key(jwk="own")),
    "an embedded key, unknown kid": Attack(
        "CVE-2026-27962: embedded jwk for an unknown kid", _signed_with_own_key(jwk="own", kid="?")
    ),
    "the address of a key": Attack(
        "CVE-2026-27962", _signed_with_own_key(jku="http://127.0.0.1:9/keys", kid="first")
    ),
    "another key of this name": Attack("a forged signature", _signed_with_own_key(kid="first")),
    "an unknown kid": Attack("the provider has no such key", _signed_with_own_key(kid="second")),
    "an unknown critical header": Attack("CVE-2025-59420, CVE-2026-32597: crit", _critical),
    "a wrong at_hash": Attack("the access token is another's", _claims(at_hash="A" * 22)),
    "a wrong at_hash, another algorithm": Attack(
        "Authlib 1.6.9: at_hash of an unknown alg", _another_algorithm
    ),
    "a large token": Attack("CVE-2025-61920: oversized token", _large),
    "a similar issuer": Attack("CVE-2024-53861: iss by substring", _claims(iss="http://127.0.0.1")),
    "another issuer": Attack("iss is exact", _claims(iss="https://evil.example.com")),
    "another audience": Attack("aud is ours", _claims(aud="warble-test")),
    "another audience besides": Attack("azp is ours", _claims(aud=[CLIENT_ID, "other"])),
    "another authorized party": Attack("azp is ours", _claims(azp="other")),
    "no audience": Attack("aud is there", _claims(aud=None)),
    "an expired token": Attack("exp", _late(exp=-90)),
    "a token of the future": Attack("iat", _late(iat=90)),
    "no expiry": Attack("exp is there", _claims(exp=None)),
    "an expiry that is no number": Attack("NaN never expires", _claims(exp="never")),
    "no nonce": Attack("the token belongs to the flow", _claims(nonce=None)),
    "another nonce": Attack("a replayed token", _claims(nonce="another")),
    "no subject": Attack("sub is the identity", _claims(sub=None)),
    "a subject that is no text": Attack("sub is the identity", _claims(sub=7)),
    "another issuer's answer": Attack("RFC 9207: mix-up", _answer(iss="https://evil.example.com")),
    "an answer without issuer": Attack("RFC 9207: mix-up", _demands_issuer),
    "a code that was not given": Attack("a guessed code", _answer(code="guessed")),
    "userinfo of another account": Attack("OpenID Connect 5.3.2", _other_userinfo),
    "no code": Attack("the provider refused", _answer(code=None), "SignOnCancelled"),
    "groups that are elsewhere": Attack(
        "too many groups at Entra ID",
        _claims(groups=None, _claim_names={"groups": "src1"}),
        "TooManyGroups",
    ),
    "no name": Attack("a person has a name", _claims(name=None), "NameNotSent"),
}
