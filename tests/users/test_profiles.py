"""What people say about themselves: a line, a title and a department."""

from typing import Any

import asyncpg
import httpx
import pytest

from chassis import testing
from devstack.instance import Instance
from operate import postgres
from services.users import api_process

from .conftest import People
from .test_api import signed
from .test_audit import audit_entries

TEXTS = {"about": "Coffee & bridges ☕", "title": "Инженер", "department": "Bridges"}


async def change(
    users: httpx.AsyncClient, user_id: int, by: dict[str, str], **changes: Any
) -> tuple[int, str | None]:
    response = await users.patch(f"/api/users/{user_id}", json=changes, headers=by)
    return response.status_code, response.json().get("error_type")


def shown(profile: dict[str, Any]) -> dict[str, Any]:
    return {field: text for field, text in profile.items() if field in TEXTS}


async def test_a_profile_has_the_texts_that_are_given_and_no_others(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    before = await people.profile(ann)
    await change(users, ann, signed(ann), **TEXTS)
    after = await people.profile(ann)
    await change(users, ann, signed(ann), title=None, department=" \u200b", name="Anna")
    cleared = await people.profile(ann)

    assert before.keys() & TEXTS.keys() == set()
    assert shown(after) == TEXTS
    assert (cleared["name"], shown(cleared)) == ("Anna", {"about": TEXTS["about"]})


async def test_lists_of_people_show_title_and_department(
    users: httpx.AsyncClient, people: People
) -> None:
    ann, zoe = await people.register("Ann"), await people.register("Zoe Uncommon")
    await change(users, zoe, signed(zoe), **TEXTS)
    for one, other in ((ann, zoe), (zoe, ann)):
        await users.post(f"/api/users/{other}/follow", headers=signed(one))

    listed = {
        path: (await users.get(f"/api/users{path}", headers=signed(ann))).json()["users"]
        for path in ("?query=Uncommon", f"/{ann}/followers", f"/{ann}/following", "?limit=100")
    }
    plain = (await users.get(f"/api/users/{zoe}/followers", headers=signed(ann))).json()["users"]

    for path, found in listed.items():
        (person,) = [person for person in found if person["id"] == zoe]
        assert person == {
            "id": zoe,
            "name": "Zoe Uncommon",
            "title": "Инженер",
            "department": "Bridges",
            "followed": True,
        }, path
    assert plain == [{"id": ann, "name": "Ann", "followed": False}]


@pytest.mark.parametrize(
    "refused",
    [
        {"about": "a" * 281},
        {"title": "a" * 101},
        {"department": "\u202eexe.txt"},
        {"title": "e" + "\u0301" * 6},
    ],
)
async def test_a_text_that_is_too_long_or_deceives_changes_nothing(
    users: httpx.AsyncClient, people: People, refused: dict[str, str]
) -> None:
    ann = await people.register("Ann")
    await change(users, ann, signed(ann), **TEXTS)
    before = await people.profile(ann)

    outcome = await change(users, ann, signed(ann), name="Anna", **refused)

    assert outcome == (422, "ProfileTextNotAccepted")
    assert await people.profile(ann) == before


async def test_only_an_administrator_changes_the_profile_of_another_and_it_is_recorded(
    users: httpx.AsyncClient, people: People
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")

    refused = await change(users, ann, signed(boris), about="x")
    for _ in range(2):
        assert await change(users, ann, people.administrator, title="Engineer") == (200, None)

    assert refused == (403, "NotYourName")
    recorded = [
        entry["deed"] for entry in await audit_entries(users, people) if entry["subject_id"] == ann
    ]
    assert recorded == ["profile_changed", "registered"]


async def test_titles_and_departments_can_be_left_to_administrators(
    users: httpx.AsyncClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await people.register("Ann")
    monkeypatch.setenv("USERS_POSITIONS", "administrators")
    async with testing.client_for(api_process.create_app()) as strict:
        own = [await change(strict, ann, signed(ann), **{field: "x"}) for field in TEXTS]
        me = (await strict.get("/api/users/me", headers=signed(ann))).json()
        by_administrator = await change(strict, ann, people.administrator, title="Engineer")

    assert own == [(200, None), *[(403, "PositionChangeNotAllowed")] * 2]
    assert me["may_change_position"] is False
    assert by_administrator == (200, None)
    assert shown(await people.profile(ann)) == {"about": "x", "title": "Engineer"}


async def test_an_erasure_deletes_the_profile(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    await change(users, ann, signed(ann), **TEXTS)

    draft = {"user_id": ann, "name": "Ann"}
    await users.post("/api/erasures", json=draft, headers=people.administrator)

    async with postgres.connect(apart.service_environment("users")) as connection:
        row: asyncpg.Record = await connection.fetchrow(
            "select about, title, department, external_id from person where id = $1", ann
        )
    assert set(row.values()) == {None}
