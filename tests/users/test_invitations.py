"""An invitation gives a person a key and a session, once."""

import asyncio
import hashlib
import json
import secrets
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chassis import testing
from chassis.auth.identity import KeyScope
from devstack.instance import Instance
from operate import postgres

from .conftest import People
from .test_audit import audit_entries
from .test_keys import listed, owner_of, refusal, signed


async def invite(users: httpx.AsyncClient, people: People, user_id: int) -> str:
    response = await users.post(f"/api/users/{user_id}/invitation", headers=people.administrator)
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    secret: str = response.json()["invitation"]
    return secret


async def accept(
    users: httpx.AsyncClient, secret: str, session_digest: str | None = None
) -> httpx.Response:
    """Accepts an invitation as the gateway does."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    draft = {"session_digest": session_digest or secrets.token_hex(32), "client": "Firefox"}
    return await users.post(
        f"/internal/invitations/{digest}/acceptance", json=draft, headers=signed(0)
    )


async def test_a_new_person_gets_a_key_and_a_session_by_the_invitation_alone(
    users: httpx.AsyncClient, people: People
) -> None:
    created = await users.post(
        "/api/invitations", json={"name": "Ann Newcomer"}, headers=people.administrator
    )
    ann, secret = created.json()["user_id"], created.json()["invitation"]
    assert created.status_code == 201
    assert created.headers["cache-control"] == "no-store"
    assert await listed(users, ann) == []

    token_digest = secrets.token_hex(32)
    accepted = (await accept(users, secret, token_digest)).json()
    session = await users.get(f"/internal/sessions/{token_digest}", headers=signed(0))

    assert (accepted["user_id"], accepted["administrator"]) == (ann, False)
    assert accepted["session_seconds"] == 30 * 86_400
    assert (await owner_of(users, accepted["api_key"]))["user_id"] == ann
    assert (session.json()["user_id"], session.json()["scope"]) == (ann, "account")
    assert (await people.profile(ann))["name"] == "Ann Newcomer"


async def test_of_several_who_accept_an_invitation_at_once_one_succeeds(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    secret = await invite(users, people, ann)

    answers = await asyncio.gather(*(accept(users, secret) for _ in range(5)))
    later = await accept(users, secret)

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert refusal(later) == (409, "InvitationUsed")
    assert len(await listed(users, ann)) == 2


async def test_a_new_invitation_and_whatever_locks_a_person_out_revoke_the_old_one(
    users: httpx.AsyncClient, people: People
) -> None:
    async def revoked_by(method: str, path: str) -> tuple[int, str]:
        ann = await people.register("Ann")
        secret = await invite(users, people, ann)
        done = await users.request(
            method, path.format(ann=ann), json={"name": "Ann"}, headers=people.administrator
        )
        assert done.is_success, done.text
        return refusal(await accept(users, secret))

    for method, path in (
        ("POST", "/api/users/{ann}/invitation"),
        ("DELETE", "/api/users/{ann}/invitation"),
        ("POST", "/api/users/{ann}/key"),
        ("DELETE", "/api/users/{ann}/key"),
        ("DELETE", "/api/users/{ann}"),
    ):
        assert await revoked_by(method, path) == (409, "InvitationRevoked"), (method, path)


async def test_nobody_is_invited_who_is_unknown_or_deactivated(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    await users.delete(f"/api/users/{ann}", headers=people.administrator)

    for user_id in (ann, 900_000):
        for method in ("POST", "DELETE"):
            path = f"/api/users/{user_id}/invitation"
            refused = await users.request(method, path, headers=people.administrator)
            assert refusal(refused) == (404, "UserNotFound")
    assert refusal(await accept(users, "unknown")) == (404, "InvitationNotFound")


async def test_an_invitation_expires(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    secret = await invite(users, people, ann)
    async with postgres.connect(apart.service_environment("users")) as connection:
        lasts = "select expires_at - created_at from invitation where user_id = $1"
        lifetime = await connection.fetchval(lasts, ann)
        await connection.execute("update invitation set expires_at = now() where user_id = $1", ann)

    assert round(lifetime / timedelta(hours=1)) == 7 * 24
    assert refusal(await accept(users, secret)) == (409, "InvitationExpired")


async def test_neither_an_invitation_nor_its_key_outlives_the_key_of_the_administrator(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    end = int(time.time()) + 3600
    headers = signed(1, KeyScope.admin, key_expires_at=end)

    short = await users.post(f"/api/users/{ann}/invitation", headers=headers)
    accepted = await accept(users, short.json()["invitation"])

    assert short.json()["expires_at"] == _iso(end)
    assert (await owner_of(users, accepted.json()["api_key"]))["key_expires_at"] == end


def _iso(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


async def test_a_person_with_all_keys_they_may_have_can_still_come_back(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    while (
        await users.post(f"/api/users/{ann}/keys", json={}, headers=signed(ann))
    ).status_code == 201:
        pass

    accepted = await accept(users, await invite(users, people, ann))

    assert accepted.status_code == 201


async def test_only_the_hash_of_an_invitation_is_stored(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    secret = await invite(users, people, ann)

    async with postgres.connect(apart.service_environment("users")) as connection:
        rows = await connection.fetch("select t::text from invitation t where user_id = $1", ann)
        (digest,) = await connection.fetchrow(
            "select digest from invitation where user_id = $1", ann
        )
    assert digest == hashlib.sha256(secret.encode()).digest()
    assert secret not in str(rows)


async def test_invitations_are_recorded_and_exported_without_their_secret_and_erased(
    users: httpx.AsyncClient, people: People, apart: Instance
) -> None:
    ann = await people.register("Ann")
    used, revoked = await invite(users, people, ann), ""
    await accept(users, used)
    revoked = await invite(users, people, ann)
    await users.delete(f"/api/users/{ann}/invitation", headers=people.administrator)

    exported = await users.get("/internal/export/invitations", headers=signed(ann))
    entries = [e for e in await audit_entries(users, people) if e["subject_id"] == ann]
    await users.post(
        "/api/erasures", json={"user_id": ann, "name": "Ann"}, headers=people.administrator
    )

    lists: list[dict[str, Any]] = exported.json()
    assert [(row["used_at"] is None, row["revoked_at"] is None) for row in lists] == [
        (False, True),
        (True, False),
    ]
    for secret in (used, revoked):
        digest = hashlib.sha256(secret.encode()).hexdigest()
        assert secret not in json.dumps([lists, entries])
        assert digest not in json.dumps([lists, entries])
        assert refusal(await accept(users, secret)) == (404, "InvitationNotFound")
    assert [(entry["deed"], entry["actor_id"]) for entry in reversed(entries)] == [
        ("registered", 1),
        ("invited", 1),
        ("invitation_accepted", ann),
        ("invited", 1),
        ("invitation_revoked", 1),
    ]


@pytest.mark.parametrize("path", ["/api/invitations", "/api/users/1/invitation"])
async def test_only_administrators_invite(users: httpx.AsyncClient, path: str) -> None:
    headers = testing.identity_headers("users", 2)
    refused = await users.post(path, json={"name": "Ann"}, headers=headers)
    assert refusal(refused) == (403, "NotAnAdministrator")
