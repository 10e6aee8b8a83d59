"""OpenID Connect: discovers a provider, redeems its codes and checks its tokens.

This module knows nothing of people and tables. It trusts a token only as far as these checks go:

- The header names an algorithm of `_ALGORITHMS` and no `crit` extension. The key comes from the
  provider's own key set and fits the algorithm; keys inside a token are never used.
- `iss` and `aud` are exactly ours; a token for several audiences names us in `azp`; `exp`, `nbf`
  and `iat` agree with the database's clock, with a tolerance of a minute.
- An id_token has the nonce of the flow. A logout_token has no nonce, so neither passes for the
  other.

Metadata and keys are fetched when they are first needed, so the process starts without the
provider, and kept for an hour. Authlib and joserfc are imported then too: a process that signs
nobody on does not pay for them. No token, code or secret may reach a log or an error message.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import httpx
import structlog

from chassis.database import clock

from .errors import (
    LogoutNotAccepted,
    ProviderNotFound,
    SignOnCancelled,
    SignOnNotTrusted,
    SignOnUnavailable,
)
from .settings import SignOnProvider, is_safe_url

_ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
"""Accepted algorithms, and the type of key that each one needs."""
_KEYS_IN_TOKEN = frozenset({"crit", "jwk", "jku", "x5u", "b64"})
"""Header parameters that would change how the token is checked, or bring a key of its own."""
_MAX_TOKEN_LENGTH = 16_384
_MAX_RESPONSE_BYTES = 512 * 1024
_LEEWAY_SECONDS = 60
_TIMEOUT = httpx.Timeout(5, connect=3)
_BUDGET_SECONDS = 8
"""For all calls of one sign-on together: the gateway gives up after 10 s."""
_METADATA_SECONDS = 3600
_KEY_REFETCH_SECONDS = 60
"""An unknown key makes us fetch the keys again, but no more often than this."""
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_MAX_ID_LENGTH = 255

log = structlog.get_logger()


class _Refused(Exception):
    """A token or an answer failed a check. The text names the check and nothing of the token."""


class SignedOnAccount(NamedTuple):
    """An account at a provider, as a checked id_token describes it."""

    issuer: str
    subject: str
    session_id: str | None
    issued_at: int
    """Seconds since the epoch."""
    claims: Mapping[str, Any]
    lists_too_many_groups: bool
    """The provider left the groups out because there are too many."""


class Logout(NamedTuple):
    """A checked logout_token. `subject` or `session_id` is there, or both."""

    issuer: str
    jti: str
    subject: str | None
    session_id: str | None
    issued_at: int


class _Fetched(NamedTuple):
    value: dict[str, Any]
    at: float
    """A time of `time.monotonic`."""


class Provider:
    """One configured provider. Its methods raise SignOnUnavailable if it does not respond."""

    def __init__(self, name: str, settings: SignOnProvider) -> None:
        self.name = name
        self.settings = settings
        self._http: httpx.AsyncClient | None = None
        self._metadata: _Fetched | None = None
        self._keys: _Fetched | None = None
        self._fetching = asyncio.Lock()

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def authorization_url(
        self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str
    ) -> str:
        """Where the browser goes to sign in."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # noqa: PLC0415
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # noqa: PLC0415

        metadata = await self._discover()
        url: str = prepare_grant_uri(
            metadata["authorization_endpoint"],
            client_id=self.settings.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=list(self.settings.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(code_verifier),
            code_challenge_method="S256",
        )
        return url

    async def end_session_url(self) -> str | None:
        """Where the browser goes to sign out at the provider too. None if it has no such page or
        does not respond: signing out here must not depend on it.

        The id_token is not kept for this, because it is personal data: the provider may ask for a
        confirmation instead.
        """
        try:
            async with asyncio.timeout(2):
                endpoint = (await self._discover()).get("end_session_endpoint")
        except (SignOnUnavailable, TimeoutError):
            return None
        if not isinstance(endpoint, str) or not is_safe_url(endpoint):
            return None
        separator = "&" if "?" in endpoint else "?"
        return endpoint + separator + urlencode({"client_id": self.settings.client_id})

    async def redeem(
        self,
        code: str | None,
        issuer: str | None,
        *,
        redirect_uri: str,
        code_verifier: str,
        nonce: str,
    ) -> SignedOnAccount:
        """Exchanges the code of the provider's answer for an id_token, and checks it.

        `issuer` is the answer's parameter `iss`. Raises SignOnCancelled if there is no code, and
        SignOnNotTrusted.
        """
        try:
            async with asyncio.timeout(_BUDGET_SECONDS):
                metadata = await self._discover()
                self._check_issuer(issuer, metadata)
                if not code:
                    raise SignOnCancelled
                tokens = await self._tokens(metadata, code, redirect_uri, code_verifier)
                header, claims = await self._verify(tokens.get("id_token"))
                self._check_id_token(header, claims, nonce, tokens.get("access_token"))
                claims = await self._with_userinfo(metadata, claims, tokens.get("access_token"))
        except TimeoutError:
            raise self._unavailable("timeout") from None
        except _Refused as refused:
            log.warning("sign_on.not_trusted", provider=self.name, check=str(refused))
            raise SignOnNotTrusted from None
        names = claims.get("_claim_names")
        return SignedOnAccount(
            issuer=self.settings.issuer,
            subject=claims["sub"],
            session_id=_short_text(claims.get("sid")),
            issued_at=int(claims["iat"]),
            claims=claims,
            lists_too_many_groups=(isinstance(names, dict) and self.settings.groups_claim in names)
            or claims.get("hasgroups") is True,
        )

    async def logout(self, token: str) -> Logout:
        """Checks a logout_token (OpenID Connect Back-Channel Logout). Raises LogoutNotAccepted."""
        try:
            async with asyncio.timeout(_BUDGET_SECONDS):
                header, claims = await self._verify(token)
            return self._checked_logout(header, claims)
        except TimeoutError:
            raise self._unavailable("timeout") from None
        except _Refused as refused:
            log.warning("sign_on.logout_not_accepted", provider=self.name, check=str(refused))
            raise LogoutNotAccepted from None

    def _check_issuer(self, issuer: str | None, metadata: dict[str, Any]) -> None:
        """Without the issuer in the answer, one provider could pass on the code of another
        (RFC 9207)."""
        demanded = metadata.get("authorization_response_iss_parameter_supported") is True
        if issuer is None and demanded:
            raise _Refused("the answer lacks the issuer")
        if issuer is not None and issuer != self.settings.issuer:
            raise _Refused("the answer comes from another issuer")

    def _check_id_token(
        self, header: dict[str, Any], claims: dict[str, Any], nonce: str, access_token: object
    ) -> None:
        from authlib.oidc.core import CodeIDToken  # noqa: PLC0415
        from joserfc.errors import JoseError  # noqa: PLC0415

        token = CodeIDToken(
            claims,
            header,
            {
                "iss": {"essential": True, "value": self.settings.issuer},
                "aud": {"essential": True, "value": self.settings.client_id},
            },
            {
                "nonce": nonce,
                "client_id": self.settings.client_id,
                "access_token": access_token if isinstance(access_token, str) else None,
            },
        )
        try:
            token.validate(now=int(clock.epoch()), leeway=_LEEWAY_SECONDS)
        except JoseError as error:
            raise _Refused(f"id_token: {_check_of(error)}") from None
        if _short_text(claims["sub"]) is None:
            raise _Refused("id_token: sub")

    def _checked_logout(self, header: dict[str, Any], claims: dict[str, Any]) -> Logout:
        from joserfc.errors import JoseError  # noqa: PLC0415
        from joserfc.jwt import JWTClaimsRegistry  # noqa: PLC0415

        registry = JWTClaimsRegistry(
            now=int(clock.epoch()),
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": self.settings.client_id},
            iat={"essential": True},
            exp={"essential": True},
            jti={"essential": True},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise _Refused(f"logout_token: {_check_of(error)}") from None
        if str(header.get("typ", "logout+jwt")).lower() not in ("logout+jwt", "jwt"):
            raise _Refused("logout_token: typ")
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(_LOGOUT_EVENT), dict):
            raise _Refused("logout_token: events")
        if "nonce" in claims:
            raise _Refused("logout_token: nonce")
        subject, session_id = _short_text(claims.get("sub")), _short_text(claims.get("sid"))
        jti = _short_text(claims["jti"])
        if jti is None or (subject is None and session_id is None):
            raise _Refused("logout_token: jti, sub or sid")
        return Logout(self.settings.issuer, jti, subject, session_id, int(claims["iat"]))

    async def _verify(self, token: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """The header and the claims of a token that the provider signed. Raises _Refused."""
        from joserfc import jwk, jws, jwt  # noqa: PLC0415
        from joserfc.errors import JoseError  # noqa: PLC0415

        if not isinstance(token, str) or len(token) > _MAX_TOKEN_LENGTH:
            raise _Refused("the token is missing or too long")
        try:
            header = dict(jws.extract_compact(token.encode()).headers())
        except (JoseError, ValueError):
            raise _Refused("the token is malformed") from None
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
            raise _Refused("the algorithm is not accepted")
        if _KEYS_IN_TOKEN & header.keys():
            raise _Refused("the header has parameters that are not accepted")
        key = await self._key(header.get("kid"), algorithm)
        try:
            verified = jwt.decode(token, jwk.import_key(key), algorithms=[algorithm])
        except (JoseError, ValueError):
            raise _Refused("the signature is wrong") from None
        return header, dict(verified.claims)

    async def _key(self, key_id: object, algorithm: str) -> dict[str, Any]:
        """The one key of the provider that may have signed the token. Raises _Refused."""
        async with self._fetching:
            fetched = self._keys
            if fetched is None or time.monotonic() - fetched.at > _METADATA_SECONDS:
                fetched = await self._fetch_keys()
            fitting = _fitting(fetched.value, key_id, algorithm)
            is_due = time.monotonic() - fetched.at > _KEY_REFETCH_SECONDS
            if len(fitting) != 1 and is_due:
                fitting = _fitting((await self._fetch_keys()).value, key_id, algorithm)
        if len(fitting) != 1:
            raise _Refused("the key is unknown")
        return fitting[0]

    async def _fetch_keys(self) -> _Fetched:
        url = (await self._discover())["jwks_uri"]
        self._keys = _Fetched(await self._get(url), time.monotonic())
        return self._keys

    async def _discover(self) -> dict[str, Any]:
        """The provider's metadata. Old metadata serves if the provider does not respond."""
        known = self._metadata
        if known is not None and time.monotonic() - known.at < _METADATA_SECONDS:
            return known.value
        try:
            metadata = await self._get(
                self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            )
        except SignOnUnavailable:
            if known is None:
                raise
            return known.value
        endpoints = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        urls = [metadata.get(name) for name in endpoints]
        if metadata.get("issuer") != self.settings.issuer or not all(
            isinstance(url, str) and is_safe_url(url) for url in urls
        ):
            raise self._unavailable("metadata")
        self._metadata = _Fetched(metadata, time.monotonic())
        return metadata

    async def _tokens(
        self, metadata: dict[str, Any], code: str, redirect_uri: str, code_verifier: str
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        authentication: tuple[str, str] | None = None
        if self.settings.client_secret is None:
            form["client_id"] = self.settings.client_id
        else:
            secret = self.settings.client_secret.get_secret_value()
            methods = metadata.get("token_endpoint_auth_methods_supported")
            if isinstance(methods, list) and "client_secret_basic" not in methods:
                form |= {"client_id": self.settings.client_id, "client_secret": secret}
            else:
                # RFC 6749, 2.3.1: both are form-encoded first.
                authentication = (quote(self.settings.client_id, ""), quote(secret, ""))
        response = await self._send("POST", metadata["token_endpoint"], form, authentication)
        tokens = _object(response)
        if response.status_code != 200 or tokens is None:
            raise _Refused(f"the code was not accepted: {response.status_code}")
        return tokens

    async def _with_userinfo(
        self, metadata: dict[str, Any], claims: dict[str, Any], access_token: object
    ) -> dict[str, Any]:
        """Adds the claims that the provider tells at its userinfo endpoint only."""
        settings = self.settings
        missing = {settings.groups_claim, settings.name_claim} - claims.keys()
        endpoint = metadata.get("userinfo_endpoint")
        if (
            not missing
            or not isinstance(access_token, str)
            or not isinstance(endpoint, str)
            or not is_safe_url(endpoint)
        ):
            return claims
        response = await self._send("GET", endpoint, bearer=access_token)
        userinfo = _object(response)
        if response.status_code != 200 or userinfo is None:
            raise _Refused(f"userinfo: {response.status_code}")
        if userinfo.get("sub") != claims["sub"]:
            raise _Refused("userinfo: sub")
        return {**userinfo, **claims}

    async def _get(self, url: str) -> dict[str, Any]:
        response = await self._send("GET", url)
        value = _object(response)
        if response.status_code != 200 or value is None:
            raise self._unavailable(f"status {response.status_code}")
        return value

    async def _send(
        self,
        method: str,
        url: str,
        form: dict[str, str] | None = None,
        authentication: tuple[str, str] | None = None,
        bearer: str | None = None,
    ) -> httpx.Response:
        """The response with its whole body, which has a limit. Redirects are not followed."""
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False)
        headers = {"accept": "application/json"}
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer}"
        request = self._http.build_request(method, url, data=form, headers=headers)
        basic = None if authentication is None else httpx.BasicAuth(*authentication)
        try:
            response = await self._http.send(request, auth=basic, stream=True)
            try:
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_RESPONSE_BYTES:
                        raise self._unavailable("the response is too large")
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise self._unavailable(type(error).__name__) from None
        return httpx.Response(response.status_code, content=body)

    def _unavailable(self, reason: str) -> SignOnUnavailable:
        log.warning("sign_on.provider_unavailable", provider=self.name, reason=reason)
        return SignOnUnavailable()


class Providers:
    """All configured providers, by name."""

    def __init__(self, settings: Mapping[str, SignOnProvider]) -> None:
        self._providers = {name: Provider(name, provider) for name, provider in settings.items()}

    def all(self) -> list[Provider]:
        return list(self._providers.values())

    def named(self, name: str) -> Provider:
        """Raises ProviderNotFound."""
        provider = self._providers.get(name)
        if provider is None:
            raise ProviderNotFound
        return provider

    def of_issuer(self, issuer: str) -> Provider | None:
        return next((one for one in self.all() if one.settings.issuer == issuer), None)

    async def close(self) -> None:
        for provider in self.all():
            await provider.close()


def _fitting(keys: dict[str, Any], key_id: object, algorithm: str) -> list[dict[str, Any]]:
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


def _check_of(error: Exception) -> str:
    """The kind of the error and the name of the claim, without any value."""
    claim = getattr(error, "claim", "")
    return f"{type(error).__name__} {claim}".strip()


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        value = json.loads(response.content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _short_text(value: object) -> str | None:
    """The value if it is a text that can be an id."""
    if isinstance(value, str) and 0 < len(value) <= _MAX_ID_LENGTH and "\x00" not in value:
        return value
    return None
