"""What administrators did is written down for good, by numbers alone."""

from typing import Any

import asyncpg
import httpx
import pytest

from chassis import testing
from deploy.local import postgres
from deploy.local.instance import Instance
from services.users import console

from .conftest import People
from .test_api import signed


async def acts(users: httpx.AsyncClient, people: People, query: str = "") -> list[dict[str, Any]]:
    answer = await users.get(f"/api/audit{query}", headers=people.administrator)
    listed: list[dict[str, Any]] = answer.json()["acts"]
    return listed


async def test_each_act_of_an_administrators_is_noted_with_who_whom_and_the_request(
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
        answer = await users.request(method, path, json=body, headers=headers)
        assert answer.is_success, answer.text

    noted = await acts(users, people)

    mine = [act for act in noted if act["subject_id"] == ann][::-1]
    assert [act["deed"] for act in mine] == [
        *("registered", "key_made", "renamed", "key_replaced"),
        *("keys_replaced", "keys_revoked", "deactivated", "erased"),
    ]
    assert {act["actor_id"] for act in mine} == {1}
    assert [act["request_id"] for act in mine[2:]] == [f"request-{number}" for number in range(6)]
    assert "Unusual" not in str(noted)
    assert "Unseen" not in str(noted)


async def test_what_people_do_with_what_is_theirs_is_no_act_but_erasing_is(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    before = len(await acts(users, people, "?limit=100"))

    await users.patch(f"/api/users/{ann}", json={"name": "Anna"}, headers=signed(ann))
    await users.post(f"/api/users/{ann}/keys", json={"scope": "read"}, headers=signed(ann))
    assert len(await acts(users, people, "?limit=100")) == before
    await users.post("/api/erasures", json={"user_id": ann, "name": "Anna"}, headers=signed(ann))

    (latest,) = await acts(users, people, "?limit=1")
    assert (latest["deed"], latest["actor_id"], latest["subject_id"]) == ("erased", ann, ann)


async def test_what_is_refused_leaves_no_act(users: httpx.AsyncClient, people: People) -> None:
    await people.register("Ann")
    before = await acts(users, people)

    refused = await users.delete("/api/users/900000", headers=people.administrator)

    assert refused.status_code == 404
    assert await acts(users, people) == before


async def test_what_an_operator_does_by_hand_is_noted_without_a_number(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")

    await console.grant_key(ann, "chosen by hand")

    (latest,) = await acts(users, people, "?limit=1")
    assert (latest["deed"], latest["actor_id"], latest["subject_id"]) == ("key_made", None, ann)


async def test_the_acts_page_from_the_latest_to_the_first_for_administrators_alone(
    users: httpx.AsyncClient, people: People
) -> None:
    for number in range(5):
        await people.register(f"Person {number}")
    whole = await acts(users, people, "?limit=100")
    paged: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = (await users.get(f"/api/audit?limit=2{cursor}", headers=people.administrator)).json()
        paged += page["acts"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"

    assert paged == whole
    refused = await users.get("/api/audit", headers=testing.signed("users", 2))
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
async def test_the_services_own_role_can_neither_change_nor_remove_an_act(
    users: httpx.AsyncClient, people: People, apart: Instance, statement: str
) -> None:
    await people.register("Ann")
    before = await acts(users, people)

    async with postgres.connected(apart.service_environment("users")) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)

    assert await acts(users, people) == before
