from typing import Any

import httpx

from chassis import testing


class Reader:
    """A person who calls the API."""

    def __init__(self, client: httpx.AsyncClient, user_id: int) -> None:
        self.client = client
        self.id = user_id

    async def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = testing.identity_headers("notifications", self.id) | request.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **request)

    async def done(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        response = await self.call(method, path, **request)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        assert body["result"] is True
        return body

    async def page(self, query: str = "") -> dict[str, Any]:
        return await self.done("GET", f"/api/notifications{query}")

    async def listed(self) -> list[str]:
        return [group["id"] for group in (await self.page("?limit=100"))["notifications"]]

    async def unread(self) -> int:
        """The number in the badge, which every call must agree on."""
        count: int = (await self.done("GET", "/api/notifications/unread"))["count"]
        page = await self.page("?limit=100")
        assert page["unread"] == count
        assert sum(group["unread"] for group in page["notifications"]) == count
        return count

    async def see(self, seq: int) -> dict[str, Any]:
        return await self.done("POST", "/api/notifications/seen", json={"seq": seq})

    async def set(self, **kinds: dict[str, str]) -> None:
        await self.done("PATCH", "/api/notifications/settings", json={"kinds": kinds})
