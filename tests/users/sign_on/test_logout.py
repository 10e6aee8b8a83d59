"""Logouts that the identity provider sends, and the end of sessions."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.auth.identity import KeyScope
from chassis.database.session import Database, execute
from services.users.commands.locks import lock_account, lock_provider_session
from services.users.settings import Settings
from tests import identity_provider
from tests.identity_provider import IdentityProvider, encode
from tests.users.test_keys import make, refusal, signed
from tests.users.test_sessions import as_gateway, listed, owner_of
from tests.waiting import eventually

from .browser import Browser, signed_on


async def log_out(users: httpx.AsyncClient, token: str) -> httpx.Response:
    return await users.post(
        "/internal/sign-on/company/logouts", json={"logout_token": token}, headers=as_gateway()
    )


async def test_a_logout_at_the_provider_ends_the_sessions_it_names(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    laptop, phone = Browser(users), Browser(users)
    provider.claims = {"sid": "laptop"}
    ann = await signed_on(await laptop.sign_on(provider))
    provider.claims = {"sid": "phone"}
    await signed_on(await phone.sign_on(provider))
    key = await make(users, ann)

    of_laptop = await log_out(users, provider.logout_token(sub=None, sid="laptop"))
    on_phone = await phone.owner()
    of_all = await log_out(users, provider.logout_token())
    nothing = await log_out(users, provider.logout_token(sub="nobody"))

    assert of_laptop.json() == of_all.json() == {"user_ids": [ann]}
    assert on_phone["user_id"] == ann
    assert nothing.json() == {"user_ids": []}
    for browser in (laptop, phone):
        assert refusal(await owner_of(users, browser.session)) == (404, "SessionEnded")
    keys = (await users.get(f"/api/users/{ann}/keys", headers=signed(ann))).json()["keys"]
    assert [listed["id"] for listed in keys] == [key["key_id"]]


async def test_a_logout_during_a_sign_on_ends_it_too(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    browser = Browser(users)

    async def meanwhile() -> None:
        assert (await log_out(users, provider.logout_token(sid="early"))).status_code == 200

    provider.claims = {"sid": "early"}
    provider.before_tokens = meanwhile
    refused = await browser.sign_on(provider)

    assert refused.status_code == 409
    assert (await owner_of(users, browser.session)).status_code == 404


async def test_a_logout_and_a_sign_on_at_once_do_not_wait_for_each_other(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    database = Database(Settings())
    async with database.transaction() as sign_on:
        await lock_account(sign_on, provider.issuer, provider.subject)
        logging_out = asyncio.create_task(log_out(users, provider.logout_token(sid="laptop")))
        await eventually(lambda: _waits_for_a_lock(sign_on))
        await lock_provider_session(sign_on, provider.issuer, "laptop")
    response = await logging_out
    await database.close()

    assert response.status_code == 200


async def _waits_for_a_lock(session: AsyncSession) -> bool:
    # Without this, a transaction always sees the same statistics.
    await execute(session, text("select pg_stat_clear_snapshot()"))
    statement = text(
        "select exists (select from pg_stat_activity"
        " where wait_event_type = 'Lock' and datname = current_database())"
    )
    return bool((await execute(session, statement)).scalar_one())


def _logout(**claims: Any) -> Callable[[IdentityProvider], str]:
    return lambda provider: provider.logout_token(**claims)


BAD_LOGOUTS: dict[str, Callable[[IdentityProvider], str]] = {
    "an id_token": lambda provider: provider.id_token("nonce"),
    "a nonce": _logout(nonce="nonce"),
    "no event": _logout(events=None),
    "another event": _logout(events={"http://example.com": {}}),
    "an event that is no object": _logout(events={identity_provider.LOGOUT_EVENT: True}),
    "neither subject nor session": _logout(sub=None),
    "no id": _logout(jti=None),
    "another audience": _logout(aud="other"),
    "another issuer": _logout(iss="https://evil.example.com"),
    "an expired token": _logout(exp=int(time.time()) - 90),
    "no expiry": _logout(exp=None),
    "another type": _logout(header={"typ": "at+jwt"}),
    "an unsigned token": lambda provider: (
        f"{encode({'alg': 'none'})}.{encode(provider.id_claims('nonce'))}."
    ),
    "no token": lambda provider: "…",
}


@pytest.mark.parametrize("name", BAD_LOGOUTS)
async def test_a_bad_logout_token_ends_nothing(
    users: httpx.AsyncClient, provider: IdentityProvider, name: str
) -> None:
    browser = Browser(users)
    await signed_on(await browser.sign_on(provider))

    refused = await log_out(users, BAD_LOGOUTS[name](provider))

    assert refusal(refused) == (400, "LogoutNotAccepted")
    assert (await owner_of(users, browser.session)).status_code == 200


async def test_a_logout_token_counts_once(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    token = provider.logout_token()
    first = await log_out(users, token)
    browser = Browser(users)
    await signed_on(await browser.sign_on(provider))

    replayed = await log_out(users, token)

    assert first.status_code == 200
    assert refusal(replayed) == (400, "LogoutNotAccepted")
    assert (await owner_of(users, browser.session)).status_code == 200


async def test_another_session_cannot_be_ended_with_a_narrow_key(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    browser = Browser(users)
    ann = await signed_on(await browser.sign_on(provider))
    (session,) = await listed(users, ann)
    path = f"/api/users/{ann}/sessions/{session['id']}"

    narrow = await users.delete(path, headers=signed(ann, KeyScope.write))
    by_account = await users.delete(path, headers=signed(ann))

    assert refusal(narrow) == (403, "AccountScopeRequired")
    assert by_account.status_code == 200
    assert refusal(await owner_of(users, browser.session)) == (404, "SessionEnded")
