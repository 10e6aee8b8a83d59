"""The calls to a provider: its metadata, its keys, and the exchange of a code for tokens.

Metadata and keys are fetched when they are first needed, so the process starts without the
provider, and kept for an hour.
"""

import asyncio
import json
import time
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import structlog

from ..errors import SignOnUnavailable
from ..settings import SignOnProvider, is_safe_url
from .tokens import CheckFailed, fitting_keys

_MAX_RESPONSE_BYTES = 512 * 1024
_TIMEOUT = httpx.Timeout(5, connect=3)
_METADATA_SECONDS = 3600
_KEY_REFETCH_SECONDS = 60
"""An unknown key makes us fetch the keys again, but no more often than this."""

log = structlog.get_logger()


class _Fetched(NamedTuple):
    value: dict[str, Any]
    at: float
    """A time of `time.monotonic`."""


class ProviderClient:
    """The HTTP client for one provider. Raises SignOnUnavailable if it does not respond."""

    def __init__(self, name: str, settings: SignOnProvider) -> None:
        self._name = name
        self._settings = settings
        self._http: httpx.AsyncClient | None = None
        self._metadata: _Fetched | None = None
        self._keys: _Fetched | None = None
        self._fetching = asyncio.Lock()

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def discover(self) -> dict[str, Any]:
        """The provider's metadata. Old metadata serves if the provider does not respond."""
        known = self._metadata
        if known is not None and time.monotonic() - known.at < _METADATA_SECONDS:
            return known.value
        try:
            metadata = await self._get(
                self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            )
        except SignOnUnavailable:
            if known is None:
                raise
            return known.value
        endpoints = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        urls = [metadata.get(name) for name in endpoints]
        if metadata.get("issuer") != self._settings.issuer or not all(
            isinstance(url, str) and is_safe_url(url) for url in urls
        ):
            raise self.unavailable("metadata")
        self._metadata = _Fetched(metadata, time.monotonic())
        return metadata

    async def key(self, key_id: object, algorithm: str) -> dict[str, Any]:
        """The one key of the provider that may have signed the token. Raises CheckFailed."""
        async with self._fetching:
            fetched = self._keys
            if fetched is None or time.monotonic() - fetched.at > _METADATA_SECONDS:
                fetched = await self._fetch_keys()
            fitting = fitting_keys(fetched.value, key_id, algorithm)
            is_due = time.monotonic() - fetched.at > _KEY_REFETCH_SECONDS
            if len(fitting) != 1 and is_due:
                fitting = fitting_keys((await self._fetch_keys()).value, key_id, algorithm)
        if len(fitting) != 1:
            raise CheckFailed("the key is unknown")
        return fitting[0]

    async def _fetch_keys(self) -> _Fetched:
        url = (await self.discover())["jwks_uri"]
        self._keys = _Fetched(await self._get(url), time.monotonic())
        return self._keys

    async def redeem(
        self, metadata: dict[str, Any], code: str, redirect_uri: str, code_verifier: str
    ) -> dict[str, Any]:
        """The response to an authorization code, with the tokens. Raises CheckFailed."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        authentication: tuple[str, str] | None = None
        if self._settings.client_secret is None:
            form["client_id"] = self._settings.client_id
        else:
            secret = self._settings.client_secret.get_secret_value()
            methods = metadata.get("token_endpoint_auth_methods_supported")
            if isinstance(methods, list) and "client_secret_basic" not in methods:
                form |= {"client_id": self._settings.client_id, "client_secret": secret}
            else:
                # RFC 6749, 2.3.1: both are form-encoded first.
                authentication = (quote(self._settings.client_id, ""), quote(secret, ""))
        response = await self._send("POST", metadata["token_endpoint"], form, authentication)
        tokens = _object(response)
        if response.status_code != 200 or tokens is None:
            raise CheckFailed(f"the code was not accepted: {response.status_code}")
        return tokens

    async def with_userinfo(
        self, metadata: dict[str, Any], claims: dict[str, Any], access_token: object
    ) -> dict[str, Any]:
        """Adds the claims that only the provider's userinfo endpoint has. Raises CheckFailed."""
        settings = self._settings
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
            raise CheckFailed(f"userinfo: {response.status_code}")
        if userinfo.get("sub") != claims["sub"]:
            raise CheckFailed("userinfo: sub")
        return {**userinfo, **claims}

    async def _get(self, url: str) -> dict[str, Any]:
        response = await self._send("GET", url)
        value = _object(response)
        if response.status_code != 200 or value is None:
            raise self.unavailable(f"status {response.status_code}")
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
                        raise self.unavailable("the response is too large")
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise self.unavailable(type(error).__name__) from None
        return httpx.Response(response.status_code, content=body)

    def unavailable(self, reason: str) -> SignOnUnavailable:
        """Logs the reason, and returns the error to raise."""
        log.warning("sign_on.provider_unavailable", provider=self._name, reason=reason)
        return SignOnUnavailable()


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        value = json.loads(response.content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
