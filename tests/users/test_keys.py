"""A person's keys: each has a scope and an expiry, and is shown only once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from chassis import testing
from chassis.auth import api_keys
from chassis.auth.identity import IDENTITY_HEADER, Identity, KeyScope, Signer
from devstack.instance import Instance
from operate import postgres

from .conftest import People


def signed(user_id: int, scope: KeyScope = KeyScope.account, **credential: Any) -> dict[str, str]:
    identity = Identity(user_id, scope, **credential)
    return {IDENTITY_HEADER: Signer(testing.PRIVATE_KEY).sign(identity, "users")}


async def owner_of(users: httpx.AsyncClient, key: str) -> dict[str, Any]:
    """What the gateway learns about the key. Empty if the key is not valid."""
    digest = api_keys.digest(key.encode()).hex()
    response = await users.get(f"/internal/keys/{digest}", headers=signed(0))
    assert response.status_code in (200, 404)
    owner: dict[str, Any] = response.json() if response.status_code == 200 else {}
    return owner


async def make(users: httpx.AsyncClient, user_id: int, **draft: Any) -> dict[str, Any]:
    response = await users.post(f"/api/users/{user_id}/keys", json=draft, headers=signed(user_id))
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    created: dict[str, Any] = response.json()
    return created


async def listed(users: httpx.AsyncClient, user_id: int) -> list[dict[str, Any]]:
    response = await users.get(f"/api/users/{user_id}/keys", headers=signed(user_id))
    keys: list[dict[str, Any]] = response.json()["keys"]
    return keys


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error_type"]


async def test_a_new_key_is_listed_without_its_secret(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")

    created = await make(users, ann, name=" Nightly  report ", scope="read", expires_in_days=90)
    latest, first = await listed(users, ann)

    expires_at = datetime.fromisoformat(latest.pop("expires_at"))
    created_at = datetime.fromisoformat(latest.pop("created_at"))
    assert expires_at - created_at < timedelta(days=90, minutes=1)
    assert latest == {
        "id": created["key_id"],
        "name": "Nightly report",
        "scope": "read",
        "begins_with": created["api_key"][:10],
        "used_at": None,
    }
    assert (first["name"], first["scope"], first["expires_at"]) == ("", "account", None)


async def test_the_gateway_learns_the_scope_and_expiry_of_each_key(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    reading = (await make(users, ann, scope="read"))["api_key"]
    short = (await make(users, ann, expires_in_days=1))["api_key"]

    assert await owner_of(users, reading) == {
        "user_id": ann,
        "scope": "read",
        "roles": [],
        "key_id": (await listed(users, ann))[1]["id"],
        "session_id": None,
        "key_expires_at": None,
        "seconds_left": None,
    }
    owner = await owner_of(users, short)
    assert 0 < owner["seconds_left"] <= 86_400
    assert owner["scope"] == "write"


async def test_only_the_hash_and_the_beginning_of_a_key_are_stored(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    key = (await make(users, ann))["api_key"]

    async with postgres.connect(apart.service_environment("users")) as connection:
        rows = await connection.fetch("select api_key::text as row from api_key")
        events = await connection.fetch("select outbox::text as row from outbox")

    assert api_keys.digest(key.encode()).hex() in str(rows)
    assert key[:10] in str(rows)
    assert key[:12] not in str(rows) + str(events)


async def test_a_revoked_key_stops_working_and_the_others_do_not(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    one, other = await make(users, ann), await make(users, ann)
    path = f"/api/users/{ann}/keys/{one['key_id']}"

    revoked = await users.delete(path, headers=signed(ann))
    again = await users.delete(path, headers=signed(ann))

    assert revoked.json() == {"result": True}
    assert refusal(again) == (404, "KeyNotFound")
    assert await owner_of(users, one["api_key"]) == {}
    assert (await owner_of(users, other["api_key"]))["user_id"] == ann
    assert one["key_id"] not in [key["id"] for key in await listed(users, ann)]


async def test_a_replaced_key_works_until_the_end_of_the_overlap(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    old = await make(users, ann, name="Report", scope="read", expires_in_days=90)
    path = f"/api/users/{ann}/keys/{old['key_id']}/replacement"

    response = await users.post(path, json={"overlap_hours": 2}, headers=signed(ann))
    new = response.json()

    assert response.status_code == 201
    left = (await owner_of(users, old["api_key"]))["seconds_left"]
    assert 7_000 < left <= 7_200
    owner = await owner_of(users, new["api_key"])
    assert (owner["user_id"], owner["scope"]) == (ann, "read")
    assert 89 * 86_400 < owner["seconds_left"] <= 90 * 86_400
    assert (await listed(users, ann))[0]["name"] == "Report"

    path = f"/api/users/{ann}/keys/{new['key_id']}/replacement"
    await users.post(path, json={"overlap_hours": 0}, headers=signed(ann))

    assert await owner_of(users, new["api_key"]) == {}


async def test_an_expired_key_does_not_work(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    key = await make(users, ann, expires_in_days=1)

    async with postgres.connect(apart.service_environment("users")) as connection:
        await connection.execute(
            "update api_key set expires_at = now() where id = $1", key["key_id"]
        )

    assert await owner_of(users, key["api_key"]) == {}
    assert key["key_id"] not in [key["id"] for key in await listed(users, ann)]


async def test_a_keys_last_use_is_written_once_an_hour(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    key = await make(users, ann)

    async def versions(connection: asyncpg.Connection, used_at: datetime | None) -> set[str]:
        """The versions of the row after each of three requests: every write makes a new one."""
        await connection.execute("update api_key set used_at = $1", used_at)
        seen = set()
        for _ in range(3):
            await owner_of(users, key["api_key"])
            row = "select xmin::text from api_key where id = $1"
            seen.add(await connection.fetchval(row, key["key_id"]))
        return seen

    async with postgres.connect(apart.service_environment("users")) as connection:
        never = await versions(connection, None)
        first = (await listed(users, ann))[0]["used_at"]
        long_ago = datetime.now(UTC) - timedelta(hours=2)
        later = await versions(connection, long_ago)

    assert first is not None
    assert len(never) == len(later) == 1
    assert datetime.fromisoformat((await listed(users, ann))[0]["used_at"]) > long_ago


async def test_a_key_cannot_create_or_revoke_a_key_with_a_wider_scope(
    users: httpx.AsyncClient, people: People
) -> None:
    created = await users.post("/api/users", json={"name": "Ann"}, headers=people.administrator)
    chief = created.json()["user_id"]
    wider = await users.post(
        f"/api/users/{chief}/keys", json={"scope": "admin"}, headers=signed(chief)
    )
    reading = await users.post(
        f"/api/users/{chief}/keys", json={"scope": "read"}, headers=signed(chief, KeyScope.read)
    )

    assert refusal(wider) == (403, "ScopeTooWide")
    assert refusal(reading) == (403, "ReadOnlyKey")


async def test_an_administrators_narrow_key_cannot_revoke_their_wide_one(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    chief = await people.register("Chief")
    async with postgres.connect(apart.service_environment("users")) as connection:
        await connection.execute("update person set administrator = true where id = $1", chief)
    (wide,) = await listed(users, chief)
    path = f"/api/users/{chief}/keys/{wide['id']}"

    ended = await users.delete(path, headers=signed(chief))
    replaced = await users.post(f"{path}/replacement", json={}, headers=signed(chief))

    assert wide["scope"] == "admin"
    assert refusal(ended) == refusal(replaced) == (403, "ScopeTooWide")


async def test_the_number_of_keys_is_limited(users: httpx.AsyncClient, people: People) -> None:
    ann = await people.register("Ann")
    for _ in range(19):
        await make(users, ann)

    response = await users.post(f"/api/users/{ann}/keys", json={}, headers=signed(ann))

    assert refusal(response) == (409, "TooManyKeys")
    assert len(await listed(users, ann)) == 20


@pytest.mark.parametrize(
    "draft",
    [
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"name": "x" * 101},
        {"scope": "all"},
        {"expires_in_days": 0},
        {"expires_in_days": 10**12},
        {"expires_in_days": True},
    ],
)
async def test_an_invalid_key_draft_is_refused(
    users: httpx.AsyncClient, people: People, draft: dict[str, Any]
) -> None:
    ann = await people.register("Ann")

    response = await users.post(
        f"/api/users/{ann}/keys", content=json.dumps(draft), headers=signed(ann)
    )

    assert response.status_code == 422
    assert len(await listed(users, ann)) == 1


@pytest.mark.parametrize("overlap", [False, "1", 0.5, -1, 10**6, None])
async def test_an_invalid_overlap_leaves_the_key_unchanged(
    users: httpx.AsyncClient, people: People, overlap: Any
) -> None:
    ann = await people.register("Ann")
    key = await make(users, ann)
    path = f"/api/users/{ann}/keys/{key['key_id']}/replacement"

    response = await users.post(path, json={"overlap_hours": overlap}, headers=signed(ann))

    assert response.status_code == 422
    assert len(await listed(users, ann)) == 2


async def make_with(
    users: httpx.AsyncClient, user_id: int, headers: dict[str, str], **draft: Any
) -> httpx.Response:
    return await users.post(f"/api/users/{user_id}/keys", json=draft, headers=headers)


def in_days(days: float) -> int:
    return int((datetime.now(UTC) + timedelta(days=days)).timestamp())


async def test_no_key_outlives_the_key_that_created_it(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    end = in_days(10)
    ending = signed(ann, KeyScope.write, key_expires_at=end)
    chief = {
        IDENTITY_HEADER: Signer(testing.PRIVATE_KEY).sign(
            Identity(1, KeyScope.admin, key_expires_at=end), "users"
        )
    }

    refused = await make_with(users, ann, ending, expires_in_days=11)
    shorter = await make_with(users, ann, ending, expires_in_days=9)
    unspecified = await make_with(users, ann, ending)
    registered = await users.post("/api/users", json={"name": "Boris"}, headers=chief)
    zoe = await people.register("Zoe")
    rotated = await users.post(f"/api/users/{zoe}/key", headers=chief)

    assert refusal(refused) == (403, "KeyWouldOutliveYours")
    assert shorter.status_code == 201
    for created in (unspecified, registered, rotated):
        assert datetime.fromisoformat(created.json()["expires_at"]).timestamp() == end
        owner = await owner_of(users, created.json()["api_key"])
        assert owner["key_expires_at"] == end


async def test_a_key_that_replaces_itself_does_not_gain_time(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    key = await make(users, ann, expires_in_days=10)
    end = in_days(3)
    itself = signed(ann, KeyScope.write, key_id=key["key_id"], key_expires_at=end)

    path = f"/api/users/{ann}/keys/{key['key_id']}/replacement"
    replaced = await users.post(path, json={}, headers=itself)

    assert datetime.fromisoformat(replaced.json()["expires_at"]).timestamp() == end


async def test_a_key_with_the_scope_write_can_revoke_only_itself(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    own, other = await make(users, ann), await make(users, ann)
    script = signed(ann, KeyScope.write, key_id=own["key_id"])
    path = f"/api/users/{ann}/keys/{other['key_id']}"

    revoked = await users.delete(path, headers=script)
    replaced = await users.post(f"{path}/replacement", json={}, headers=script)
    erased = await users.post("/api/erasures", json={"user_id": ann, "name": "Ann"}, headers=script)
    itself = await users.delete(f"/api/users/{ann}/keys/{own['key_id']}", headers=script)

    assert refusal(revoked) == refusal(replaced) == (403, "AccountScopeRequired")
    assert refusal(erased) == (403, "AccountScopeRequired")
    assert itself.status_code == 200
    assert (await owner_of(users, other["api_key"]))["user_id"] == ann
