import hashlib
import secrets
from typing import Any

import httpx

from tests.identity_provider import IdentityProvider
from tests.users.test_sessions import as_gateway, owner_of

CALLBACK = "https://warble.example.com/api/sign-on/company/callback"


class Browser:
    """Signs on as a browser and the gateway do together."""

    def __init__(self, users: httpx.AsyncClient, name: str = "company") -> None:
        self.users = users
        self.name = name
        self.digest = secrets.token_hex(32)
        """Of the cookie."""

    async def start(self, **more: Any) -> str:
        draft = {"browser_digest": self.digest, "redirect_uri": CALLBACK, "next": "/tags", **more}
        path = f"/internal/sign-on/{self.name}/flows"
        response = await self.users.post(path, json=draft, headers=as_gateway())
        assert response.status_code == 201, response.text
        location: str = response.json()["location"]
        return location

    async def answer(self, answer: dict[str, str], **more: Any) -> httpx.Response:
        """The response; `session` is the digest of the session that the sign-on may start."""
        self.session = secrets.token_hex(32)
        draft = {
            "state_digest": hashlib.sha256(answer.get("state", "").encode()).hexdigest(),
            "browser_digest": self.digest,
            "code": answer.get("code"),
            "iss": answer.get("iss"),
            "session_digest": self.session,
            "client": "Firefox",
            **more,
        }
        path = f"/internal/sign-on/{self.name}/answers"
        return await self.users.post(path, json=draft, headers=as_gateway())

    async def sign_on(self, provider: IdentityProvider, **start: Any) -> httpx.Response:
        return await self.answer(provider.authorize(await self.start(**start)))

    async def owner(self) -> dict[str, Any]:
        response = await owner_of(self.users, self.session)
        assert response.status_code == 200, response.text
        owner: dict[str, Any] = response.json()
        return owner


async def signed_on(response: httpx.Response) -> int:
    assert response.status_code == 201, response.text
    user_id: int = response.json()["user_id"]
    return user_id
