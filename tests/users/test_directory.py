"""The list in which administrators find people, with their roles and access."""

from typing import Any

import httpx
import pytest

from chassis import testing
from services.users import console

from .conftest import People
from .test_api import owner_of, signed
from .test_audit import audit_entries


async def listed(users: httpx.AsyncClient, people: People, query: str) -> list[dict[str, Any]]:
    response = await users.get(f"/api/people?{query}", headers=people.administrator)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["people"]
    return found


async def test_a_person_is_listed_with_roles_and_what_gives_access(
    users: httpx.AsyncClient, people: People
) -> None:
    created = await users.post(
        "/api/users", json={"name": "Ann Listed"}, headers=people.administrator
    )
    ann, key = created.json()["user_id"], created.json()["api_key"]
    before = (await listed(users, people, "query=Ann Listed"))[0]
    texts = {"about": "Coffee", "title": "Engineer", "department": "Bridges"}
    await users.patch(f"/api/users/{ann}", json=texts, headers=signed(ann))
    for role in ("moderator", "announcer"):
        await users.put(f"/api/users/{ann}/roles/{role}", headers=people.administrator)
    created = await users.post(f"/api/users/{ann}/keys", json={}, headers=signed(ann))
    await users.delete(f"/api/users/{ann}/keys/{created.json()['key_id']}", headers=signed(ann))
    await owner_of(users, key)

    (after,) = await listed(users, people, "query=Ann Listed")

    assert (before["roles"], before["title"], before["last_used_at"]) == ([], None, None)
    assert {field: after[field] for field in texts} == texts
    assert (after["roles"], after["administrator"]) == (["announcer", "moderator"], False)
    assert (after["keys"], after["sessions"], after["identities"]) == (1, 0, 0)
    assert after["deactivated_at"] is None
    assert after["last_used_at"] is not None


@pytest.mark.parametrize(
    "query", ["Константи", "konstantin", "QUAYS", "head of", "  константин озеров "]
)
async def test_people_are_found_by_name_title_or_department(
    users: httpx.AsyncClient, people: People, query: str
) -> None:
    kostya = await people.register("Константин Озеров")
    position = {"title": "Head of moorings", "department": "Quays & piers"}
    await users.patch(f"/api/users/{kostya}", json=position, headers=signed(kostya))
    await people.register("Somebody Else")

    assert kostya in [person["id"] for person in await listed(users, people, f"query={query}")]
    assert [person["id"] for person in await listed(users, people, f"query={kostya}")] == [kostya]


@pytest.mark.parametrize("query", ["%25", "_", "%C2%B4", "no such person"])
async def test_a_query_without_a_match_finds_nobody(
    users: httpx.AsyncClient, people: People, query: str
) -> None:
    await people.register("Ann")

    assert await listed(users, people, f"query={query}") == []


async def test_people_are_listed_by_state_and_role(
    users: httpx.AsyncClient, people: People
) -> None:
    here, left, erased = [await people.register(f"Filtered {number}") for number in range(3)]
    await users.put(f"/api/users/{here}/roles/moderator", headers=people.administrator)
    await users.put(f"/api/users/{here}/administrator", headers=people.administrator)
    await users.delete(f"/api/users/{left}", headers=people.administrator)
    draft = {"user_id": erased, "name": "Filtered 2"}
    await users.post("/api/erasures", json=draft, headers=people.administrator)

    async def of_these(query: str) -> set[int]:
        found = await listed(users, people, f"limit=100&{query}")
        return {person["id"] for person in found} & {here, left, erased}

    assert await of_these("") == {here, left}
    assert await of_these("state=active") == {here}
    assert await of_these("state=deactivated") == {left}
    assert await of_these("state=erased") == {erased}
    assert await of_these("role=moderator") == await of_these("role=administrator") == {here}
    assert await of_these("role=announcer") == set()


async def test_administrators_alone_page_through_everybody_from_the_latest(
    users: httpx.AsyncClient, people: People
) -> None:
    for number in range(5):
        await people.register(f"Person {number}")
    whole = await listed(users, people, "limit=100")
    paged: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        path = f"/api/people?limit=2{cursor}"
        page = (await users.get(path, headers=people.administrator)).json()
        paged += page["people"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"

    assert paged == whole
    refused = await users.get("/api/people", headers=testing.identity_headers("users", 2))
    assert (refused.status_code, refused.json()["error_type"]) == (403, "NotAnAdministrator")


async def test_an_operator_deactivates_a_person_and_brings_them_back(
    users: httpx.AsyncClient, people: People
) -> None:
    zoe = await people.register("Zoe Movable")

    await console.deactivate("Zoe Movable")
    left = await listed(users, people, f"query={zoe}&state=deactivated")
    await console.reactivate(zoe)

    assert [person["id"] for person in left] == [zoe]
    assert [person["id"] for person in await listed(users, people, f"query={zoe}")] == [zoe]
    entries = [
        (entry["deed"], entry["actor_id"])
        for entry in await audit_entries(users, people, "?limit=2")
    ]
    assert entries == [("reactivated", None), ("deactivated", None)]
