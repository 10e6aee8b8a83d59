"""Only the id of an erased person remains in users."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from services.users import console
from services.users.privacy import eraser
from services.users.settings import Settings

from .conftest import People
from .test_api import owner_of, signed


@pytest.fixture
async def database(users: httpx.AsyncClient) -> AsyncIterator[Database]:
    database = Database(Settings())
    yield database
    await database.close()


async def erased(
    users: httpx.AsyncClient, user_id: int, name: str, headers: dict[str, str]
) -> tuple[int, str | None]:
    draft = {"user_id": user_id, "name": name}
    response = await users.post("/api/erasures", json=draft, headers=headers)
    return response.status_code, response.json().get("error_type")


async def test_the_name_and_keys_are_deleted_at_once_and_follows_by_the_job(
    users: httpx.AsyncClient, people: People, database: Database
) -> None:
    created = await users.post(
        "/api/users", json={"name": "Zoe Unerhört"}, headers=people.administrator
    )
    zoe, key = created.json()["user_id"], created.json()["api_key"]
    await users.post(f"/api/users/{zoe}/invitation", headers=people.administrator)
    draft = {"name": "Zoe's script"}
    await users.post(f"/api/users/{zoe}/keys", json=draft, headers=signed(zoe))
    await users.patch(f"/api/users/{zoe}", json={"name": "Zoe Unheard"}, headers=signed(zoe))
    ann, boris = await people.register("Ann"), await people.register("Boris")
    for follower, followed in ((zoe, ann), (ann, zoe), (boris, zoe), (boris, ann)):
        await users.post(f"/api/users/{followed}/follow", headers=signed(follower))
    await users.delete(f"/api/users/{zoe}/follow", headers=signed(boris))

    first = await erased(users, zoe, "Zoe  Unheard ", people.administrator)
    again = await erased(users, zoe, "whatever", people.administrator)

    assert first == again == (202, None)
    assert (await owner_of(users, key)).status_code == 404
    assert (await users.get(f"/api/users/{zoe}", headers=signed(ann))).status_code == 404
    assert await eraser.run_pass(database, None, zoe, grace_period=timedelta(0))
    profile = await people.profile(ann)
    assert (profile["follower_count"], profile["following_count"]) == (1, 0)
    assert await remains(database, "Zoe") == []
    assert await links(database, zoe) == 0


async def remains(database: Database, word: str) -> list[str]:
    """The tables that contain this word in any column."""
    async with database.transaction() as session:
        names = await execute(
            session, text("select tablename from pg_tables where schemaname = 'users'")
        )
        return [
            table
            for (table,) in names
            if (
                await execute(
                    session,
                    text(f"select exists (select from {table} t where t::text ilike :word)"),
                    {"word": f"%{word}%"},
                )
            ).scalar_one()
        ]


async def links(database: Database, user_id: int) -> int:
    statement = text("""
        select (select count(*) from follow where :id in (follower_id, followed_id))
             + (select count(*) from api_key where user_id = :id)
             + (select count(*) from user_session where user_id = :id)
             + (select count(*) from invitation where user_id = :id)
    """)
    async with database.transaction() as session:
        return int((await execute(session, statement, {"id": user_id})).scalar_one())


async def test_only_the_person_and_administrators_erase_and_only_by_the_right_name(
    users: httpx.AsyncClient, people: People
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")

    by_another = await erased(users, ann, "Ann", signed(boris))
    by_mistake = await erased(users, ann, "Boris", people.administrator)
    nobody = await erased(users, 900_000, "Ann", people.administrator)
    oneself = await erased(users, ann, "Ann", signed(ann))

    assert by_another == (403, "NotYourself")
    assert by_mistake == (409, "NameNotConfirmed")
    assert nobody == (404, "UserNotFound")
    assert oneself == (202, None)
    assert (await users.get(f"/api/users/{boris}", headers=signed(boris))).status_code == 200


async def test_an_administrator_can_be_erased_only_by_another_one(
    users: httpx.AsyncClient, people: People, database: Database
) -> None:
    boss = await people.register("Boss")
    async with database.transaction() as session:
        promote = text("update person set administrator = true where id = :id")
        await execute(session, promote, {"id": boss})
    own = testing.identity_headers("users", boss, administrator=True)

    oneself = await erased(users, boss, "Boss", own)
    by_another = await erased(users, boss, "Boss", people.administrator)

    assert oneself == (409, "CannotEraseYourself")
    assert by_another == (202, None)


async def test_an_erasure_publishes_one_event_and_reports_its_progress(
    users: httpx.AsyncClient, people: People, database: Database
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")
    await users.post(f"/api/users/{boris}/follow", headers=signed(ann))

    async def state() -> tuple[str, int]:
        response = await users.get(f"/internal/erasures/{ann}", headers=people.administrator)
        return response.json()["state"], response.json()["erased"]

    assert await state() == ("waiting", 0)
    for _ in range(2):
        await erased(users, ann, "Ann", people.administrator)
    assert await state() == ("erasing", 0)
    assert not await eraser.run_pass(database, None, ann)
    assert await state() == ("settling", 1)
    assert await eraser.run_pass(database, None, ann, grace_period=timedelta(0))
    assert await state() == ("finished", 1)
    async with database.transaction() as session:
        events = await execute(
            session,
            text("select routing_key from outbox where payload = cast(:payload as jsonb)"),
            {"payload": json.dumps({"user_id": ann})},
        )
        assert sorted(events.scalars()) == ["user.deactivated.v1", "user.erased.v1"]


async def test_a_person_with_many_followers_is_erased_in_bounded_batches(
    users: httpx.AsyncClient,
    people: People,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.users.privacy.BATCH", 3)
    star = await people.register("Star")
    fans = [await people.register(f"Fan {number}") for number in range(7)]
    for fan in fans:
        await users.post(f"/api/users/{star}/follow", headers=signed(fan))
        await users.post(f"/api/users/{fan}/follow", headers=signed(star))
    await erased(users, star, "Star", people.administrator)

    steps = []
    while taken := await eraser.sweep(database, star):
        steps.append(taken)

    assert (sum(steps), max(steps)) == (14, 3)
    for fan in fans:
        profile = await people.profile(fan)
        assert (profile["follower_count"], profile["following_count"]) == (0, 0)


async def test_a_person_whom_a_backup_restored_is_erased_again_by_the_list(
    users: httpx.AsyncClient,
    people: People,
    database: Database,
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")
    await erased(users, ann, "Ann", people.administrator)
    erased_ids = await console.erased()
    async with database.transaction() as session:
        # The state that the backup restores.
        back = text("update person set name = 'Ann', erased_at = null, deactivated_at = null")
        await execute(session, text(f"{back} where id = :id"), {"id": ann})
        await execute(session, text("delete from erasure where user_id = :id"), {"id": ann})
    assert (await people.profile(ann))["name"] == "Ann"

    output = await console.erase_again([*map(int, erased_ids.split()), 900_000])

    assert str(ann) in erased_ids.split()
    assert str(boris) not in erased_ids.split()
    assert output.endswith("Unknown ids: 1.")
    assert (await users.get(f"/api/users/{ann}", headers=signed(boris))).status_code == 404
    assert await eraser.run_pass(database, None, ann, grace_period=timedelta(0))
