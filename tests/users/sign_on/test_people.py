"""Who may sign on at an identity provider, and with which roles."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import httpx

from devstack.instance import Instance
from operate import postgres
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider
from tests.users.conftest import People
from tests.users.test_keys import make, refusal, signed
from tests.users.test_sessions import as_gateway, listed, owner_of

from .browser import CALLBACK, Browser, signed_on


async def test_the_first_sign_on_creates_the_person_and_later_ones_find_them(
    users: httpx.AsyncClient, people: People, provider: IdentityProvider
) -> None:
    provider.claims = {"name": "Ann Kim", "department": " Research \n Lab "}
    browser = Browser(users)

    location = await browser.start()
    query = parse_qs(urlsplit(location).query)
    first = await browser.answer(provider.authorize(location))
    ann = await signed_on(first)
    session = await browser.owner()
    again = await signed_on(await Browser(users).sign_on(provider))

    assert location.startswith(f"{provider.issuer}/authorize?")
    assert query["code_challenge_method"] == ["S256"]
    assert (query["scope"], query["redirect_uri"]) == (["openid profile"], [CALLBACK])
    verifier = provider.token_requests[0]["code_verifier"].encode()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=")
    assert query["code_challenge"] == [challenge.decode()]
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET.replace(' ', '%20')}".encode()).decode()
    assert provider.token_requests[0]["basic"] == f"Basic {basic}"
    assert first.json() == {
        "user_id": ann, "next": "/tags", "seconds": 12 * 3600, "previous_session": None
    }  # fmt: skip
    assert again == ann
    assert (await people.profile(ann))["name"] == "Ann Kim"
    assert (session["scope"], session["key_id"]) == ("account", None)
    assert 0 < session["seconds_left"] <= 3600


async def test_a_session_ends_when_it_is_unused_for_an_hour(
    users: httpx.AsyncClient, provider: IdentityProvider, apart: Instance
) -> None:
    browser = Browser(users)
    ann = await signed_on(await browser.sign_on(provider))

    async def unused_for(minutes: int) -> httpx.Response:
        async with postgres.connect(apart.service_environment("users")) as connection:
            await connection.execute(
                "update user_session set used_at = now() - make_interval(mins => $2)"
                " where user_id = $1",
                ann,
                minutes,
            )
        return await owner_of(users, browser.session)

    used = await unused_for(59)
    unused = await unused_for(61)

    assert used.status_code == 200
    assert refusal(unused) == (404, "SessionEnded")
    assert await listed(users, ann) == []


async def test_groups_give_roles_and_take_them_away(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    browser = Browser(users)
    provider.claims = {"groups": ["staff", "admins", "moderators"]}
    await signed_on(await browser.sign_on(provider))
    with_roles = await browser.owner()

    provider.claims = {"groups": ["staff"]}
    await signed_on(await Browser(users).sign_on(provider))
    without = await browser.owner()

    assert (with_roles["scope"], with_roles["roles"]) == ("admin", ["moderator"])
    assert (without["scope"], without["roles"]) == ("account", [])


async def test_somebody_in_no_admitting_group_loses_sessions_and_keys(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    browser = Browser(users)
    ann = await signed_on(await browser.sign_on(provider))
    key = await make(users, ann)

    # A provider that has no groups for somebody may leave the claim out.
    provider.claims = {"groups": None}
    refused = await Browser(users).sign_on(provider)
    session = await owner_of(users, browser.session)
    provider.subject = "stranger"
    stranger = await Browser(users).sign_on(provider)

    assert refusal(refused) == (403, "NotAdmitted")
    assert refusal(session) == (404, "SessionEnded")
    keys = (await users.get(f"/api/users/{ann}/keys", headers=signed(ann))).json()["keys"]
    assert key["api_key"] not in keys and keys == []
    assert refusal(stranger) == (403, "NotAdmitted")


async def test_the_last_administrator_keeps_role_and_key(
    users: httpx.AsyncClient, people: People, provider: IdentityProvider
) -> None:
    put = await users.put(
        "/api/users/1/identities/company",
        json={"subject": provider.subject},
        headers=people.administrator,
    )
    browser = Browser(users)

    await signed_on(await browser.sign_on(provider))
    as_last = await browser.owner()
    provider.claims = {"groups": ["nothing"]}
    refused = await Browser(users).sign_on(provider)
    keys = (await users.get("/api/users/1/keys", headers=people.administrator)).json()["keys"]
    audit = await users.get("/api/audit?limit=2", headers=people.administrator)
    await users.delete("/api/users/1/identities/company", headers=people.administrator)

    assert put.status_code == 200
    assert as_last["scope"] == "admin"
    assert refusal(refused) == (403, "NotAdmitted")
    assert len(keys) == 1
    assert refusal(await owner_of(users, browser.session)) == (404, "SessionEnded")
    assert {act["deed"] for act in audit.json()["acts"]} == {"last_administrator_kept"}


async def test_a_deactivated_person_cannot_sign_on(
    users: httpx.AsyncClient, people: People, provider: IdentityProvider
) -> None:
    browser = Browser(users)
    ann = await signed_on(await browser.sign_on(provider))
    await users.delete(f"/api/users/{ann}", headers=people.administrator)

    refused = await Browser(users).sign_on(provider)

    assert refusal(refused) == (403, "PersonDeactivated")
    assert refusal(await owner_of(users, browser.session)) == (404, "SessionEnded")


async def test_a_person_links_an_account_by_proving_both(
    users: httpx.AsyncClient, people: People, provider: IdentityProvider
) -> None:
    boris, clara = await people.register("Boris"), await people.register("Clara")

    linked = await signed_on(await Browser(users).sign_on(provider, link_user_id=boris))
    by_clara = await Browser(users).sign_on(provider, link_user_id=clara)
    provider.subject = "another account"
    second = await Browser(users).sign_on(provider, link_user_id=boris)
    identities = await users.get(f"/api/users/{boris}/identities", headers=signed(boris))
    by_another = await users.get(f"/api/users/{boris}/identities", headers=signed(clara))

    assert linked == boris
    assert refusal(by_clara) == (409, "IdentityTaken")
    assert refusal(second) == (409, "AnotherIdentityLinked")
    (identity,) = identities.json()["identities"]
    assert (identity["provider"], identity["issuer"]) == ("company", provider.issuer)
    assert refusal(by_another) == (403, "NotYourKeys")


async def test_an_administrator_links_and_unlinks(
    users: httpx.AsyncClient, people: People, provider: IdentityProvider
) -> None:
    boris, clara = await people.register("Boris"), await people.register("Clara")
    path, draft = "/api/users/{}/identities/company", {"subject": provider.subject}
    headers = people.administrator

    for _ in range(2):
        put = await users.put(path.format(boris), json=draft, headers=headers)
        assert put.status_code == 200, put.text
    taken = await users.put(path.format(clara), json=draft, headers=headers)
    by_boris = await users.put(path.format(boris), json=draft, headers=signed(boris))
    browser = Browser(users)
    assert await signed_on(await browser.sign_on(provider)) == boris
    removed = await users.delete(path.format(boris), headers=headers)
    again = await users.delete(path.format(boris), headers=headers)

    assert refusal(taken) == (409, "IdentityTaken")
    assert refusal(by_boris) == (403, "NotAnAdministrator")
    assert removed.status_code == 200
    assert refusal(again) == (404, "IdentityNotFound")
    assert refusal(await owner_of(users, browser.session)) == (404, "SessionEnded")


async def test_signing_on_ends_the_browsers_earlier_session(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    browser = Browser(users)
    await signed_on(await browser.sign_on(provider))
    earlier = browser.session

    await signed_on(await browser.sign_on(provider, previous_session=earlier))

    assert refusal(await owner_of(users, earlier)) == (404, "SessionEnded")
    assert (await owner_of(users, browser.session)).status_code == 200


async def test_signing_out_names_the_page_of_the_provider(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    browser = Browser(users)
    await signed_on(await browser.sign_on(provider))

    out, again = [
        await users.delete(f"/internal/sessions/{browser.session}", headers=as_gateway())
        for _ in range(2)
    ]

    assert out.json() == {
        "result": True, "sign_out_url": f"{provider.issuer}/end?client_id={CLIENT_ID}"
    }  # fmt: skip
    assert again.json() == {"result": True}


async def test_erasing_a_person_deletes_account_and_sessions(
    users: httpx.AsyncClient, people: People, provider: IdentityProvider, apart: Instance
) -> None:
    ann = await signed_on(await Browser(users).sign_on(provider))
    name = (await people.profile(ann))["name"]

    erased = await users.post(
        "/api/erasures", json={"user_id": ann, "name": name}, headers=people.administrator
    )

    assert erased.status_code == 202, erased.text
    async with postgres.connect(apart.service_environment("users")) as connection:
        for table in ("identity", "user_session"):
            assert await connection.fetch(f"select from {table} where user_id = $1", ann) == []


async def test_existing_sessions_do_not_need_the_provider(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    browser = Browser(users)
    await signed_on(await browser.sign_on(provider))
    requests = len(provider.requests)

    session = await browser.owner()

    assert session["user_id"] > 1
    assert len(provider.requests) == requests
