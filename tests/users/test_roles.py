"""Administrators give the roles of moderators and announcers, and take them away."""

from typing import Any

import httpx
import pytest

from chassis import testing
from chassis.auth.identity import KeyScope
from services.users import console
from services.users.models import Role

from .conftest import People
from .test_api import owner_of, signed
from .test_audit import audit_entries


async def rights(users: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, bool]:
    me = (await users.get("/api/users/me", headers=headers)).json()
    return {name: me[name] for name in ("administrator", "moderator", "announcer")}


async def test_a_role_is_given_and_taken_away_once(
    users: httpx.AsyncClient, people: People
) -> None:
    created = await users.post("/api/users", json={"name": "Ann"}, headers=people.administrator)
    ann, key = created.json()["user_id"], created.json()["api_key"]

    roles = []
    for method, role in (
        *(("PUT", "announcer"), ("PUT", "moderator"), ("PUT", "moderator")),
        *(("DELETE", "announcer"), ("DELETE", "announcer")),
    ):
        path = f"/api/users/{ann}/roles/{role}"
        response = await users.request(method, path, headers=people.administrator)
        assert response.json() == {"result": True}
        roles.append((await owner_of(users, key)).json()["roles"])

    assert roles == [
        ["announcer"],
        *[["announcer", "moderator"]] * 2,
        *[["moderator"]] * 2,
    ]
    entries = [
        entry["deed"] for entry in await audit_entries(users, people) if entry["subject_id"] == ann
    ]
    assert entries == ["role_taken", "role_given", "role_given", "registered"]


async def test_a_key_for_scripts_has_no_roles(users: httpx.AsyncClient, people: People) -> None:
    ann = await people.register("Ann")
    await users.put(f"/api/users/{ann}/roles/moderator", headers=people.administrator)

    roles = {}
    for scope in KeyScope:
        created = await users.post(
            f"/api/users/{ann}/keys", json={"scope": scope}, headers=people.administrator
        )
        roles[scope] = (await owner_of(users, created.json()["api_key"])).json()["roles"]

    assert roles == {"read": [], "write": [], "account": ["moderator"], "admin": ["moderator"]}


@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        ({}, []),
        ({"roles": [Role.moderator]}, ["moderator"]),
        ({"roles": [Role.announcer]}, ["announcer"]),
        ({"administrator": True}, ["administrator", "moderator", "announcer"]),
    ],
)
async def test_a_person_learns_which_roles_their_credential_has(
    users: httpx.AsyncClient, people: People, credential: dict[str, Any], expected: list[str]
) -> None:
    ann = await people.register("Ann")

    own = await rights(users, testing.identity_headers("users", ann, **credential))

    assert [name for name, has_right in own.items() if has_right] == expected


async def test_only_an_administrator_changes_roles_and_only_known_ones(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    path = f"/api/users/{ann}/roles"
    moderator = testing.identity_headers("users", ann, roles=list(Role))

    refused = await users.put(f"{path}/announcer", headers=moderator)
    unknown = await users.put(f"{path}/emperor", headers=people.administrator)
    nobody = await users.put("/api/users/900000/roles/moderator", headers=people.administrator)

    assert refused.json()["error_type"] == "NotAnAdministrator"
    assert unknown.json()["error_type"] == "InvalidRequest"
    assert nobody.json()["error_type"] == "UserNotFound"
    assert (await users.get("/api/users/me", headers=signed(ann))).json()["moderator"] is False


async def test_an_erased_person_has_no_roles(users: httpx.AsyncClient, people: People) -> None:
    ann = await people.register("Ann")
    await console.change_role("give", Role.moderator, str(ann))

    await users.post(
        "/api/erasures", json={"user_id": ann, "name": "Ann"}, headers=people.administrator
    )

    again = await console.change_role("take", Role.moderator, str(ann))
    assert again == f"Roles of the person {ann}: none"


async def test_an_operator_gives_and_takes_roles_by_number_or_name(
    users: httpx.AsyncClient, people: People
) -> None:
    zoe = await people.register("Zoe Singular")

    given = await console.change_role("give", Role.announcer, "Zoe Singular")
    taken = await console.change_role("take", Role.announcer, str(zoe))

    assert given == f"Roles of the person {zoe}: announcer"
    assert taken == f"Roles of the person {zoe}: none"
    entries = [
        (entry["deed"], entry["actor_id"])
        for entry in await audit_entries(users, people, "?limit=2")
    ]
    assert entries == [("role_taken", None), ("role_given", None)]
