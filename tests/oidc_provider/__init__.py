"""`oidc-provider`, a certified OpenID Connect provider, as a process of its own.

Its npm packages are pinned beside this file and installed when a test needs them first.
"""

import asyncio
import contextlib
import html
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import httpx

from devstack import health, web_build
from tests.waiting import eventually

_FOLDER = Path(__file__).parent
_HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')
_ACTION = re.compile(r'<form[^>]*action="([^"]+)"')


@dataclass(frozen=True)
class CertifiedProvider:
    port: int
    warble: str
    """The address of the gateway."""

    NAME: ClassVar[str] = "certified"

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, Any]:
        """What goes into `USERS_SIGN_ON` below the name of the provider."""
        return {
            "issuer": self.issuer,
            "client_id": "warble",
            "client_secret": "invented for tests",
            "title": "Certified account",
            "scopes": ["openid", "profile", "groups"],
            "admitting_groups": ["staff"],
        }

    @contextlib.asynccontextmanager
    async def running(self, key_file: Path) -> AsyncIterator[None]:
        """The provider signs tokens with the key in `key_file`, which it creates."""
        await asyncio.to_thread(web_build.install, folder=_FOLDER)
        own = f"{self.warble}/api/sign-on/{self.NAME}"
        client = {
            **{name: self.settings()[name] for name in ("client_id", "client_secret")},
            "redirect_uris": [f"{own}/callback"],
            "post_logout_redirect_uris": [f"{self.warble}/"],
            "backchannel_logout_uri": f"{own}/logout",
            "backchannel_logout_session_required": True,
            "id_token_signed_response_alg": "ES256",
        }
        argument = {
            "issuer": self.issuer,
            "port": self.port,
            "client": client,
            "keyFile": str(key_file),
        }
        process = await asyncio.create_subprocess_exec(
            web_build.node(), "server.js", json.dumps(argument), cwd=_FOLDER
        )

        async def serves() -> bool:
            assert process.returncode is None
            discovery = f"{self.issuer}/.well-known/openid-configuration"
            return await asyncio.to_thread(health.http_status, discovery) == 200

        try:
            await eventually(serves)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    async def sign_in(self, browser: httpx.AsyncClient, location: str, name: str) -> str:
        """Follows `location` and fills in the provider's forms, as a person does in a browser.
        Returns the address to which the provider sends the browser back."""
        answer = await browser.get(location)
        while True:
            if answer.is_redirect:
                location = str(answer.next_request.url) if answer.next_request else ""
                if not location.startswith(self.issuer):
                    return location
                answer = await browser.get(location)
            else:
                answer = await self._submit(browser, answer, login=name, password=name)

    async def end_session(self, browser: httpx.AsyncClient) -> httpx.Response:
        """Signs out at the provider and confirms it."""
        metadata = (await browser.get(f"{self.issuer}/.well-known/openid-configuration")).json()
        page = await browser.get(metadata["end_session_endpoint"])
        return await self._submit(browser, page, logout="yes")

    async def _submit(
        self, browser: httpx.AsyncClient, page: httpx.Response, **fields: str
    ) -> httpx.Response:
        action = _ACTION.search(page.text)
        assert page.status_code == 200, page.text
        assert action is not None, page.text
        hidden = dict(_HIDDEN.findall(page.text))
        address = page.url.join(html.unescape(action[1]))
        return await browser.post(address, data={**hidden, **fields})
