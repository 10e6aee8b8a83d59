from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from chassis import testing
from services.users import main


@pytest.fixture
async def users(as_service: Callable[[str], None]) -> AsyncIterator[httpx.AsyncClient]:
    """The api of users in this process, on a real database of this module's own."""
    as_service("users")
    async with testing.serving(main.create_app()) as client:
        yield client


class People:
    """Registers people and asks on their behalf."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def register(self, name: str) -> int:
        answer = await self.client.post(
            "/api/users", json={"name": name}, headers=self.administrator
        )
        assert answer.status_code == 201, answer.text
        user_id: int = answer.json()["user_id"]
        return user_id

    @property
    def administrator(self) -> dict[str, str]:
        return testing.signed("users", 1, administrator=True)

    async def profile(self, user_id: int) -> dict[str, Any]:
        answer = await self.client.get(
            f"/api/users/{user_id}", headers=testing.signed("users", user_id)
        )
        profile: dict[str, Any] = answer.json()["user"]
        return profile


@pytest.fixture
def people(users: httpx.AsyncClient) -> People:
    return People(users)
