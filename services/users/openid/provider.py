"""One provider: where the browser goes, who has signed in there, and who has signed out."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import structlog

from ..errors import (
    LogoutNotAccepted,
    ProviderNotFound,
    SignOnCancelled,
    SignOnNotTrusted,
    SignOnUnavailable,
)
from ..settings import SignOnProvider, is_safe_url
from .client import ProviderClient
from .tokens import (
    CheckFailed,
    Logout,
    check_header,
    check_id_token,
    check_logout_token,
    check_signature,
    short_text,
)

_BUDGET_SECONDS = 8
"""For all calls of one sign-on together: the gateway gives up after 15 s."""

log = structlog.get_logger()


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


class Provider:
    """One configured provider. Its methods raise SignOnUnavailable if it does not respond."""

    def __init__(self, name: str, settings: SignOnProvider) -> None:
        self.name = name
        self.settings = settings
        self._client = ProviderClient(name, settings)

    async def close(self) -> None:
        await self._client.close()

    async def authorization_url(
        self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str
    ) -> str:
        """Where the browser goes to sign in."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # noqa: PLC0415
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # noqa: PLC0415

        metadata = await self._client.discover()
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
                endpoint = (await self._client.discover()).get("end_session_endpoint")
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
                metadata = await self._client.discover()
                self._check_issuer(issuer, metadata)
                if not code:
                    raise SignOnCancelled
                response = await self._client.redeem(metadata, code, redirect_uri, code_verifier)
                access_token = response.get("access_token")
                header, claims = await self._verify(response.get("id_token"))
                check_id_token(self.settings, header, claims, nonce, access_token)
                claims = await self._client.with_userinfo(metadata, claims, access_token)
        except TimeoutError:
            raise self._client.unavailable("timeout") from None
        except CheckFailed as error:
            log.warning("sign_on.not_trusted", provider=self.name, check=str(error))
            raise SignOnNotTrusted from None
        names = claims.get("_claim_names")
        return SignedOnAccount(
            issuer=self.settings.issuer,
            subject=claims["sub"],
            session_id=short_text(claims.get("sid")),
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
            return check_logout_token(self.settings, header, claims)
        except TimeoutError:
            raise self._client.unavailable("timeout") from None
        except CheckFailed as error:
            log.warning("sign_on.logout_not_accepted", provider=self.name, check=str(error))
            raise LogoutNotAccepted from None

    def _check_issuer(self, issuer: str | None, metadata: dict[str, Any]) -> None:
        """Without the issuer in the answer, one provider could pass on the code of another
        (RFC 9207)."""
        demanded = metadata.get("authorization_response_iss_parameter_supported") is True
        if issuer is None and demanded:
            raise CheckFailed("the answer lacks the issuer")
        if issuer is not None and issuer != self.settings.issuer:
            raise CheckFailed("the answer comes from another issuer")

    async def _verify(self, token: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """The header and the claims of a token that the provider signed. Raises CheckFailed."""
        if not isinstance(token, str):
            raise CheckFailed("the token is missing")
        header = check_header(token)
        key = await self._client.key(header.get("kid"), header["alg"])
        return header, check_signature(token, key, header["alg"])


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
