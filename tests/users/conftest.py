from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chassis import testing
from services.users import api_process


@pytest.fixture(scope="module")
def app(as_service: Callable[[str], None]) -> FastAPI:
    """Built once per module, because its routes take longer than most tests.

    Each test starts it anew: connections and caches belong to one test.
    """
    as_service("users")
    return api_process.create_app()


@pytest.fixture
async def users(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The API of users in this process, with a real database for this module.

    Each read names an own write, so that it does not come from the cache: tests change a profile as
    one person and read it as another, and must not depend on the moment of a notification.
    """
    async with testing.client_for(app) as client:
        client.headers["warble-after"] = "users:1"
        yield client


class People:
    """Registers people and makes requests for them."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def register(self, name: str) -> int:
        response = await self.client.post(
            "/api/users", json={"name": name}, headers=self.administrator
        )
        assert response.status_code == 201, response.text
        user_id: int = response.json()["user_id"]
        return user_id

    @property
    def administrator(self) -> dict[str, str]:
        return testing.identity_headers("users", 1, administrator=True)

    async def profile(self, user_id: int) -> dict[str, Any]:
        response = await self.client.get(
            f"/api/users/{user_id}", headers=testing.identity_headers("users", user_id)
        )
        profile: dict[str, Any] = response.json()["user"]
        return profile


@pytest.fixture
def people(users: httpx.AsyncClient) -> People:
    return People(users)
