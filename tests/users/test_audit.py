"""Actions of administrators are recorded permanently, with ids only."""

from typing import Any

import asyncpg
import httpx
import pytest

from chassis import testing
from devstack.instance import Instance
from operate import postgres
from services.users import console

from .conftest import People
from .test_api import signed


async def audit_entries(
    users: httpx.AsyncClient, people: People, query: str = ""
) -> list[dict[str, Any]]:
    response = await users.get(f"/api/audit{query}", headers=people.administrator)
    listed: list[dict[str, Any]] = response.json()["acts"]
    return listed


async def test_each_action_of_an_administrator_is_recorded_with_actor_subject_and_request(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann Unusual")
    key = (
        await users.post(
            f"/api/users/{ann}/keys", json={"scope": "read"}, headers=people.administrator
        )
    ).json()["key_id"]
    for number, (method, path, body) in enumerate(
        [
            ("PATCH", f"/api/users/{ann}", {"name": "Ann Unseen"}),
            ("POST", f"/api/users/{ann}/keys/{key}/replacement", {"overlap_hours": 0}),
            ("POST", f"/api/users/{ann}/key", None),
            ("DELETE", f"/api/users/{ann}/key", None),
            ("DELETE", f"/api/users/{ann}", None),
            ("POST", "/api/erasures", {"user_id": ann, "name": "Ann Unseen"}),
        ]
    ):
        headers = {**people.administrator, "x-request-id": f"request-{number}"}
        response = await users.request(method, path, json=body, headers=headers)
        assert response.is_success, response.text

    entries = await audit_entries(users, people)

    mine = [entry for entry in entries if entry["subject_id"] == ann][::-1]
    assert [entry["deed"] for entry in mine] == [
        *("registered", "key_made", "renamed", "key_replaced"),
        *("keys_replaced", "keys_revoked", "deactivated", "erased"),
    ]
    assert {entry["actor_id"] for entry in mine} == {1}
    assert [entry["request_id"] for entry in mine[2:]] == [
        f"request-{number}" for number in range(6)
    ]
    assert "Unusual" not in str(entries)
    assert "Unseen" not in str(entries)


async def test_changes_to_ones_own_account_are_not_recorded_except_an_erasure(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    before = len(await audit_entries(users, people, "?limit=100"))

    await users.patch(f"/api/users/{ann}", json={"name": "Anna"}, headers=signed(ann))
    await users.post(f"/api/users/{ann}/keys", json={"scope": "read"}, headers=signed(ann))
    assert len(await audit_entries(users, people, "?limit=100")) == before
    await users.post("/api/erasures", json={"user_id": ann, "name": "Anna"}, headers=signed(ann))

    (latest,) = await audit_entries(users, people, "?limit=1")
    assert (latest["deed"], latest["actor_id"], latest["subject_id"]) == ("erased", ann, ann)


async def test_a_refused_request_leaves_no_entry(users: httpx.AsyncClient, people: People) -> None:
    await people.register("Ann")
    before = await audit_entries(users, people)

    refused = await users.delete("/api/users/900000", headers=people.administrator)

    assert refused.status_code == 404
    assert await audit_entries(users, people) == before


async def test_an_action_at_the_console_is_recorded_without_an_actor(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")

    await console.grant_key(ann, "chosen by hand")

    added = await console.add_user("Boris")

    boris = int(added.split()[1])
    latest = await audit_entries(users, people, "?limit=2")
    assert [(entry["deed"], entry["actor_id"], entry["subject_id"]) for entry in latest] == [
        ("registered", None, boris),
        ("key_made", None, ann),
    ]


async def test_only_administrators_page_through_the_audit_log_from_the_latest_entry(
    users: httpx.AsyncClient, people: People
) -> None:
    for number in range(5):
        await people.register(f"Person {number}")
    whole = await audit_entries(users, people, "?limit=100")
    paged: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = (await users.get(f"/api/audit?limit=2{cursor}", headers=people.administrator)).json()
        paged += page["acts"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"

    assert paged == whole
    refused = await users.get("/api/audit", headers=testing.identity_headers("users", 2))
    assert (refused.status_code, refused.json()["error_type"]) == (403, "NotAnAdministrator")


@pytest.mark.parametrize(
    "statement",
    [
        "update act set actor_id = 2",
        "delete from act",
        "truncate act",
        "grant update, delete on act to users; delete from act",
    ],
)
async def test_the_services_own_role_can_neither_change_nor_remove_an_entry(
    users: httpx.AsyncClient, people: People, apart: Instance, statement: str
) -> None:
    await people.register("Ann")
    before = await audit_entries(users, people)

    async with postgres.connect(apart.service_environment("users")) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)

    assert await audit_entries(users, people) == before


async def test_the_log_can_be_filtered_by_action_person_and_time(
    users: httpx.AsyncClient, people: People
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")
    by_boris = testing.identity_headers("users", boris, administrator=True)
    await users.put(f"/api/users/{ann}/roles/moderator", headers=people.administrator)
    await users.delete(f"/api/users/{ann}/roles/moderator", headers=by_boris)
    (taken, given) = await audit_entries(users, people, f"?subject={ann}&limit=2")

    assert (given["deed"], given["role"], given["object_id"]) == ("role_given", "moderator", None)
    assert (taken["deed"], taken["role"], taken["actor_id"]) == ("role_taken", "moderator", boris)
    for query, expected in {
        f"?subject={ann}&action=role_taken": [taken],
        f"?actor={boris}": [taken],
        f"?actor={boris}&action=role_given": [],
        f"?subject={ann}&since={taken['at']}": [taken],
        f"?subject={ann}&until={taken['at']}&limit=1": [given],
        f"?subject={boris}&since={taken['at']}": [],
    }.items():
        assert await audit_entries(users, people, query) == expected, query


@pytest.mark.parametrize(
    "query",
    ["action=unheard", "actor=0", "since=2026-11-29T10:00:00", "until=0001-01-01T00:00:00%2B14:00"],
)
async def test_a_filter_that_cannot_be_understood_is_refused(
    users: httpx.AsyncClient, people: People, query: str
) -> None:
    response = await users.get(f"/api/audit?{query}", headers=people.administrator)

    assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")
