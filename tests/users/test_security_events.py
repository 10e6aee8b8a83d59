"""Users reports new keys and sessions, so that people learn of those that they did not make."""

from typing import Any

import httpx

from chassis.auth.identity import KeyScope
from devstack.instance import Instance
from operate import postgres
from services.users import console

from .conftest import People
from .test_invitations import accept, invite
from .test_keys import make, signed
from .test_sessions import listed, start


async def reported(apart: Instance, routing_key: str, user_id: int) -> list[dict[str, Any]]:
    async with postgres.connect(apart.service_environment("users")) as connection:
        rows = await connection.fetch(
            "select payload->'key_id' as key, payload->'session_id' as session,"
            " payload->>'name' as name"
            " from outbox where routing_key = $1 and payload->'user_id' = to_jsonb($2::bigint)"
            " order by id",
            routing_key,
            user_id,
        )
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


async def test_every_key_but_a_persons_first_is_reported(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    at_first = await reported(apart, "key.created.v1", ann)
    script = await make(users, ann, name="Nightly report")
    replacement = await users.post(
        f"/api/users/{ann}/keys/{script['key_id']}/replacement", json={}, headers=signed(ann)
    )
    rotated = await users.post(f"/api/users/{ann}/key", headers=people.administrator)
    await console.grant_key(ann, "chosen by an operator")
    await console.grant_key(ann, "chosen by an operator")
    accepted = await accept(users, await invite(users, people, ann))

    created = await reported(apart, "key.created.v1", ann)

    assert at_first == []
    assert [event["name"] for event in created] == ["Nightly report"] * 2 + [""] * 3
    ids = [int(event["key"]) for event in created]
    assert ids[:3] == [
        script["key_id"],
        replacement.json()["key_id"],
        rotated.json()["key_id"],
    ]
    assert accepted.status_code == 201
    assert ids == sorted(set(ids))


async def test_the_first_key_of_an_invited_person_is_not_reported(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    created = await users.post(
        "/api/invitations", json={"name": "Invited"}, headers=people.administrator
    )
    ann = created.json()["user_id"]

    await accept(users, created.json()["invitation"])

    assert await reported(apart, "key.created.v1", ann) == []
    assert await reported(apart, "session.created.v1", ann) == []


async def test_a_session_is_reported_if_the_person_has_another_one(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    key = await make(users, ann, scope="account")
    laptop = await start(users, key["api_key"])
    alone = await reported(apart, "session.created.v1", ann)

    await start(users, key["api_key"])
    (phone, _) = await listed(users, ann)
    beside = await reported(apart, "session.created.v1", ann)
    await users.delete(f"/api/users/{ann}/sessions/{phone['id']}", headers=signed(ann))
    await users.delete(f"/internal/sessions/{laptop}", headers=signed(0))
    await start(users, key["api_key"])
    after_signing_out = await reported(apart, "session.created.v1", ann)
    # A session whose key is revoked has ended too.
    other = await make(users, ann)
    await users.delete(
        f"/api/users/{ann}/keys/{key['key_id']}", headers=signed(ann, KeyScope.account)
    )
    await start(users, other["api_key"])

    assert alone == []
    assert [int(event["session"]) for event in beside] == [phone["id"]]
    assert after_signing_out == beside
    assert await reported(apart, "session.created.v1", ann) == beside
