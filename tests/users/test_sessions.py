"""Sessions can be listed and ended one by one, and end with their key."""

import secrets
from typing import Any

import httpx

from chassis.auth import api_keys
from chassis.auth.identity import KeyScope
from devstack.instance import Instance
from operate import postgres
from services.users.commands.sessions import MAX_SESSIONS

from .conftest import People
from .test_keys import make, refusal, signed


def as_gateway() -> dict[str, str]:
    """An identity is valid for a minute only, so each request gets a new one."""
    return signed(0)


async def start(users: httpx.AsyncClient, key: str, client: str = "Firefox") -> str:
    """Starts a session as the gateway does; returns the digest of its token."""
    digest = secrets.token_hex(32)
    draft = {
        "digest": digest,
        "key_digest": api_keys.digest(key.encode()).hex(),
        "client": client,
    }
    response = await users.post("/internal/sessions", json=draft, headers=as_gateway())
    assert response.status_code == 201, response.text
    assert response.json() == {"seconds": 30 * 86_400}
    return digest


async def owner_of(users: httpx.AsyncClient, digest: str) -> httpx.Response:
    return await users.get(f"/internal/sessions/{digest}", headers=as_gateway())


async def listed(users: httpx.AsyncClient, user_id: int, **credential: int) -> list[dict[str, Any]]:
    headers = signed(user_id, KeyScope.account, **credential)
    response = await users.get(f"/api/users/{user_id}/sessions", headers=headers)
    sessions: list[dict[str, Any]] = response.json()["sessions"]
    return sessions


async def test_a_session_has_the_scope_of_its_key_and_ends_with_it(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    key = await make(users, ann, scope="read", expires_in_days=2)
    digest = await start(users, key["api_key"])

    owner = (await owner_of(users, digest)).json()
    await users.delete(f"/api/users/{ann}/keys/{key['key_id']}", headers=signed(ann))
    after = await owner_of(users, digest)

    assert (owner["user_id"], owner["scope"]) == (ann, "read")
    assert (owner["key_id"], owner["session_id"] > 0) == (key["key_id"], True)
    assert 0 < owner["seconds_left"] <= 2 * 86_400
    assert refusal(after) == (404, "SessionEnded")
    assert await listed(users, ann) == []


async def test_a_person_sees_their_sessions_and_ends_one(
    users: httpx.AsyncClient, people: People
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")
    key = (await make(users, ann, scope="account"))["api_key"]
    laptop, phone = await start(users, key, "Firefox"), await start(users, key, "Pho\x00ne" * 99)
    own = (await owner_of(users, laptop)).json()["session_id"]

    on_phone, on_laptop = await listed(users, ann, session_id=own)
    path = f"/api/users/{ann}/sessions/{on_phone['id']}"
    by_another = await users.delete(path, headers=signed(boris))
    by_script = await users.delete(path, headers=signed(ann, KeyScope.write))
    ended = await users.delete(path, headers=signed(ann))
    again = await users.delete(path, headers=signed(ann))

    assert (on_laptop["client"], on_laptop["current"]) == ("Firefox", True)
    assert (on_phone["client"], on_phone["current"]) == (("Phone" * 99)[:200], False)
    assert refusal(by_another) == (403, "NotYourKeys")
    assert refusal(by_script) == (403, "AccountScopeRequired")
    assert ended.status_code == 200
    assert refusal(again) == (404, "SessionNotFound")
    assert refusal(await owner_of(users, phone)) == (404, "SessionEnded")
    assert (await owner_of(users, laptop)).status_code == 200


async def test_signing_out_ends_the_session_and_informs_the_gateways(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    digest = await start(users, (await make(users, ann))["api_key"])

    for _ in range(2):
        out = await users.delete(f"/internal/sessions/{digest}", headers=as_gateway())
        assert out.json() == {"result": True}

    assert refusal(await owner_of(users, digest)) == (404, "SessionEnded")
    async with postgres.connect(apart.service_environment("users")) as connection:
        events = await connection.fetch(
            "select from outbox where routing_key = 'key.revoked.v1'"
            " and payload ->> 'user_id' = $1",
            str(ann),
        )
    assert len(events) == 1


async def test_an_unknown_session_and_one_of_a_revoked_key_are_refused(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    digest = await start(users, (await make(users, ann))["api_key"])
    unknown = {"digest": "0" * 64, "key_digest": "1" * 64, "client": ""}

    refused = await users.post("/internal/sessions", json=unknown, headers=as_gateway())
    await users.delete(f"/api/users/{ann}", headers=people.administrator)

    assert refusal(refused) == (404, "KeyEnded")
    assert refusal(await owner_of(users, "0" * 64)) == (404, "SessionNotFound")
    assert refusal(await owner_of(users, digest)) == (404, "SessionEnded")


async def test_a_person_has_a_bounded_number_of_sessions(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    key = (await make(users, ann))["api_key"]
    first = await start(users, key)
    for _ in range(MAX_SESSIONS):
        last = await start(users, key)

    assert len(await listed(users, ann)) == MAX_SESSIONS
    assert refusal(await owner_of(users, first)) == (404, "SessionNotFound")
    assert (await owner_of(users, last)).status_code == 200
    async with postgres.connect(apart.service_environment("users")) as connection:
        await connection.execute("update user_session set expires_at = now()")
        await start(users, key)
        rows = await connection.fetchval(
            "select count(*) from user_session where user_id = $1", ann
        )
    assert rows == 1


async def test_only_a_digest_of_the_token_is_stored(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    key = (await make(users, ann))["api_key"]
    for digest in ("token", "A" * 64, "0" * 63):
        draft = {"digest": digest, "key_digest": "0" * 64, "client": ""}
        response = await users.post("/internal/sessions", json=draft, headers=as_gateway())
        assert response.status_code == 422
    assert (await owner_of(users, await start(users, key))).json()["user_id"] == ann
