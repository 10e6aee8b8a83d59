"""The role of an administrator is added and removed, and one administrator always remains."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from chassis import testing
from devstack.instance import Instance
from operate import postgres
from services.users import api_process, console
from services.users.errors import LastAdministrator
from tests.waiting import eventually

from .conftest import People
from .test_api import owner_of, signed
from .test_audit import audit_entries


@pytest.fixture
async def connection(
    users: httpx.AsyncClient, apart: Instance
) -> AsyncIterator[asyncpg.Connection]:
    async with postgres.connect(apart.service_environment("users")) as connection:
        yield connection


@pytest.fixture
async def two(people: People, connection: asyncpg.Connection) -> tuple[int, int]:
    """Two people, who are the only administrators."""
    ann, boris = await people.register("Ann"), await people.register("Boris")
    await connection.execute("update person set administrator = id in ($1, $2)", ann, boris)
    return ann, boris


def by(user_id: int) -> dict[str, str]:
    return testing.identity_headers("users", user_id, administrator=True)


def outcome(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.json().get("error_type")


async def administrators(connection: asyncpg.Connection) -> list[int]:
    rows = await connection.fetch(
        "select id from person where administrator and deactivated_at is null order by id"
    )
    return [row["id"] for row in rows]


async def take_out(
    users: httpx.AsyncClient, way: str, user_id: int, name: str, actor: int
) -> httpx.Response:
    if way == "erase":
        draft = {"user_id": user_id, "name": name}
        return await users.post("/api/erasures", json=draft, headers=by(actor))
    suffix = {"remove the role": "/administrator", "deactivate": ""}[way]
    return await users.delete(f"/api/users/{user_id}{suffix}", headers=by(actor))


async def test_an_administrator_adds_and_removes_another_one(
    users: httpx.AsyncClient, people: People, connection: asyncpg.Connection
) -> None:
    created = await users.post("/api/users", json={"name": "Ann"}, headers=people.administrator)
    ann, key = created.json()["user_id"], created.json()["api_key"]
    scopes = []
    for method in ("PUT", "PUT", "DELETE", "DELETE"):
        response = await users.request(
            method, f"/api/users/{ann}/administrator", headers=people.administrator
        )
        assert response.json() == {"result": True}
        scopes.append((await owner_of(users, key)).json()["scope"])

    assert scopes == ["admin", "admin", "account", "account"]
    entries = [
        entry["deed"] for entry in await audit_entries(users, people) if entry["subject_id"] == ann
    ]
    assert entries == ["administrator_removed", "administrator_added", "registered"]
    recorded = await connection.fetch(
        "select routing_key from outbox where payload = jsonb_build_object('user_id', $1::bigint)",
        ann,
    )
    # One event per change: it makes gateways look up again what the person's keys allow.
    assert [row["routing_key"] for row in recorded] == ["key.revoked.v1"] * 2


async def test_only_administrators_change_the_role(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")

    for method in ("PUT", "DELETE"):
        response = await users.request(
            method, f"/api/users/{ann}/administrator", headers=signed(ann)
        )
        assert outcome(response) == (403, "NotAnAdministrator")


async def test_an_unknown_or_deactivated_person_is_not_made_an_administrator(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    await users.delete(f"/api/users/{ann}", headers=people.administrator)

    for user_id in (ann, 900_000):
        response = await users.put(
            f"/api/users/{user_id}/administrator", headers=people.administrator
        )
        assert outcome(response) == (404, "UserNotFound")


async def test_an_administrator_may_step_down_but_not_the_last_one(
    users: httpx.AsyncClient, people: People, two: tuple[int, int]
) -> None:
    ann, boris = two

    first = await users.delete(f"/api/users/{ann}/administrator", headers=by(ann))
    last = await users.delete(f"/api/users/{boris}/administrator", headers=by(boris))

    assert outcome(first) == (200, None)
    assert outcome(last) == (409, "LastAdministrator")
    (latest, *_) = await audit_entries(users, people)
    assert (latest["deed"], latest["actor_id"], latest["subject_id"]) == (
        *("administrator_removed", ann),
        ann,
    )


@pytest.mark.parametrize("way", ["remove the role", "deactivate", "erase"])
async def test_the_last_administrator_cannot_be_removed_deactivated_or_erased(
    users: httpx.AsyncClient, two: tuple[int, int], connection: asyncpg.Connection, way: str
) -> None:
    ann, boris = two
    await users.delete(f"/api/users/{boris}/administrator", headers=by(ann))

    # Until the event reaches a gateway, Boris still acts as an administrator there.
    response = await take_out(users, way, ann, "Ann", boris)

    assert outcome(response) == (409, "LastAdministrator")
    assert await administrators(connection) == [ann]


@pytest.mark.parametrize(
    ("one", "other"),
    [("remove the role", "deactivate"), ("deactivate", "erase"), ("erase", "remove the role")],
)
async def test_two_administrators_who_remove_each_other_at_once_leave_one(
    users: httpx.AsyncClient,
    two: tuple[int, int],
    connection: asyncpg.Connection,
    one: str,
    other: str,
) -> None:
    ann, boris = two
    async with connection.transaction():
        # Blocks both requests until both have started.
        await connection.execute("select from person where id in ($1, $2) for update", ann, boris)
        asking = asyncio.gather(
            take_out(users, one, boris, "Boris", ann), take_out(users, other, ann, "Ann", boris)
        )

        async def both_wait() -> bool:
            return await sessions_waiting_for_a_lock(connection) >= 2

        await eventually(both_wait)
    responses = await asking

    refused = [outcome(response) for response in responses if not response.is_success]
    assert refused == [(409, "LastAdministrator")]
    assert len(await administrators(connection)) == 1


async def sessions_waiting_for_a_lock(connection: asyncpg.Connection) -> int:
    # Without this, a transaction always sees the same statistics.
    await connection.execute("select pg_stat_clear_snapshot()")
    count: int = await connection.fetchval(
        "select count(*) from pg_stat_activity"
        " where wait_event_type = 'Lock' and datname = current_database()"
    )
    return count


@pytest.mark.parametrize("key", ["held by an erased administrator", "held by nobody"])
async def test_a_start_creates_no_administrator_if_there_has_been_one(
    users: httpx.AsyncClient,
    two: tuple[int, int],
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
) -> None:
    ann, boris = two
    await console.grant_key(ann, "held by an erased administrator")
    assert (await take_out(users, "erase", ann, "Ann", boris)).is_success
    monkeypatch.setenv("USERS_ADMIN_KEY", key)

    async with testing.client_for(api_process.create_app()) as started_again:
        assert (await owner_of(started_again, key)).status_code == 404

    assert await administrators(connection) == [boris]


async def test_an_operator_adds_lists_and_removes_administrators_by_number_or_name(
    users: httpx.AsyncClient,
    people: People,
    two: tuple[int, int],
    connection: asyncpg.Connection,
) -> None:
    ann, boris = two
    zoe = await people.register("Zoe Unique")

    listed = await console.change_administrators("add", " Zoe  Unique")
    await console.change_administrators("remove", str(ann))

    assert listed.splitlines() == [f"{ann}  Ann", f"{boris}  Boris", f"{zoe}  Zoe Unique"]
    assert await administrators(connection) == [boris, zoe]
    entries = [
        (entry["deed"], entry["actor_id"])
        for entry in await audit_entries(users, people, "?limit=2")
    ]
    assert entries == [("administrator_removed", None), ("administrator_added", None)]


async def test_the_console_refuses_the_last_administrator_and_an_ambiguous_name(
    people: People, two: tuple[int, int], connection: asyncpg.Connection
) -> None:
    ann, boris = two
    await console.change_administrators("remove", str(boris))
    namesakes = [await people.register("Twin Name") for _ in range(2)]

    with pytest.raises(LastAdministrator):
        await console.change_administrators("remove", str(ann))
    with pytest.raises(ValueError, match=", ".join(map(str, namesakes))):
        await console.change_administrators("add", "Twin Name")
    with pytest.raises(ValueError, match="No such Name"):
        await console.change_administrators("add", "No such Name")

    assert await administrators(connection) == [ann]


async def test_erasing_the_last_administrator_again_after_a_restore_warns_the_operator(
    users: httpx.AsyncClient, two: tuple[int, int], connection: asyncpg.Connection
) -> None:
    ann, boris = two
    await console.change_administrators("remove", str(boris))

    response = await console.erase_again([ann])

    assert "No administrator is left" in response
    assert await administrators(connection) == []
    await console.change_administrators("add", str(boris))
    assert await administrators(connection) == [boris]
