"""Every known way to cheat at a sign-on."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
import structlog
from joserfc import jwk, jwt

from chassis import testing
from devstack.instance import Instance
from operate import postgres
from services.users import api_process
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, Token
from tests.users.test_keys import refusal
from tests.users.test_sessions import as_gateway, owner_of

from .attacks import ATTACKS
from .browser import CALLBACK, Browser, signed_on


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_signs_nobody_in(
    users: httpx.AsyncClient, provider: IdentityProvider, apart: Instance, name: str
) -> None:
    attack = ATTACKS[name]
    attack.prepare(provider)
    browser = Browser(users)

    with structlog.testing.capture_logs() as logs:
        refused = await browser.sign_on(provider)

    assert refusal(refused)[1] == attack.error, attack.reason
    assert "500" not in json.dumps([entry.get("check") for entry in logs])
    assert (await owner_of(users, browser.session)).status_code == 404
    async with postgres.connect(apart.service_environment("users")) as connection:
        found = await connection.fetch(
            "select from identity where subject in ($1, 'somebody else')", provider.subject
        )
    assert found == []
    logged = json.dumps(logs)
    assert "eyJ" not in logged and CLIENT_SECRET not in logged


async def test_one_thing_less_and_the_same_sign_on_succeeds(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    """The attacks are refused for their own reason."""
    key = jwk.ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"})
    provider.published.append(key)
    provider.encode = lambda header, claims: jwt.encode(
        {"alg": "ES256", "kid": "curve"}, claims, key
    )
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    provider.answer = {"iss": provider.issuer}
    provider.claims = {"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID, "groups": None}
    provider.userinfo = {"sub": provider.subject, "groups": ["staff"]}

    assert await signed_on(await Browser(users).sign_on(provider)) > 1


async def test_an_answer_counts_once_and_in_its_own_browser_only(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    """CVE-2025-68158, CVE-2026-41425, CVE-2025-68481, CVE-2025-14546: a state that is not bound to
    the browser lets an attacker sign a victim in, or take the victim's answer."""
    ann, mallory = Browser(users), Browser(users)

    stolen = provider.authorize(await ann.start())
    by_another = await mallory.answer(stolen)
    afterwards = await ann.answer(stolen)
    own = provider.authorize(await ann.start())
    first = await ann.answer(own)
    twice = await ann.answer(own)
    unknown = await ann.answer({**own, "state": "invented"})

    assert refusal(by_another) == refusal(afterwards) == (409, "SignOnExpired")
    assert first.status_code == 201
    assert refusal(twice) == refusal(unknown) == (409, "SignOnExpired")


async def test_the_code_of_one_flow_is_worthless_in_another(
    users: httpx.AsyncClient, provider: IdentityProvider, other: IdentityProvider
) -> None:
    """CVE-2025-12421: a code is redeemed with the verifier and the nonce of its own flow."""
    ann, mallory = Browser(users), Browser(users)
    victim = provider.authorize(await ann.start())
    attacker = provider.authorize(await mallory.start())

    injected = await mallory.answer({**attacker, "code": victim["code"]})

    partner = Browser(users, "partner")
    partner.digest = ann.digest
    at_another = await partner.answer(provider.authorize(await ann.start()))

    assert refusal(injected) == (403, "SignOnNotTrusted")
    assert refusal(at_another) == (409, "SignOnExpired")
    assert "token" not in other.requests


async def test_an_expired_flow_is_refused(
    users: httpx.AsyncClient, provider: IdentityProvider, apart: Instance
) -> None:
    browser = Browser(users)
    answer = provider.authorize(await browser.start())
    async with postgres.connect(apart.service_environment("users")) as connection:
        await connection.execute("update sign_on_flow set expires_at = now()")

    assert refusal(await browser.answer(answer)) == (409, "SignOnExpired")
    assert "token" not in provider.requests


async def test_one_subject_at_two_providers_is_two_people(
    users: httpx.AsyncClient, provider: IdentityProvider, other: IdentityProvider
) -> None:
    """CVE-2023-3128, CVE-2024-25618, CVE-2026-27656: neither a subject nor an e-mail address alone
    says who somebody is, and both are compared exactly."""
    email = {"email": "ann@example.com", "email_verified": True}
    provider.claims = other.claims = email
    other.subject = provider.subject

    ann = await signed_on(await Browser(users).sign_on(provider))
    namesake = await signed_on(await Browser(users, "partner").sign_on(other))
    provider.subject = provider.subject.upper()
    in_capitals = await signed_on(await Browser(users).sign_on(provider))

    assert len({ann, namesake, in_capitals}) == 3


async def test_the_first_sign_on_twice_at_once_creates_one_person(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    browsers = [Browser(users) for _ in range(4)]

    responses = await asyncio.gather(*(browser.sign_on(provider) for browser in browsers))

    assert len({await signed_on(response) for response in responses}) == 1


async def test_new_keys_of_the_provider_are_fetched_at_most_once_a_minute(
    users: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    await signed_on(await Browser(users).sign_on(provider))
    # The provider signs with another key, and does not publish it in time.
    provider.header = {"kid": "third"}

    for _ in range(3):
        assert refusal(await Browser(users).sign_on(provider)) == (403, "SignOnNotTrusted")

    assert provider.requests.count("keys") == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "http://127.0.0.1"},
        {"token_endpoint": "http://example.com/token"},
        {"jwks_uri": None},
    ],
)
async def test_metadata_of_another_issuer_or_without_encryption_is_not_used(
    users: httpx.AsyncClient, provider: IdentityProvider, metadata: Token
) -> None:
    provider.metadata = metadata
    draft = {"browser_digest": "0" * 64, "redirect_uri": CALLBACK, "next": "/"}

    response = await users.post("/internal/sign-on/company/flows", json=draft, headers=as_gateway())

    assert refusal(response) == (503, "SignOnUnavailable")


async def test_a_provider_that_is_down_is_said_to_be(
    as_service: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_service("users")
    down = IdentityProvider(9).settings()
    monkeypatch.setenv("USERS_SIGN_ON", json.dumps({"company": down}))
    async with testing.client_for(api_process.create_app()) as users:
        draft = {"browser_digest": "0" * 64, "redirect_uri": CALLBACK, "next": "/"}
        path = "/internal/sign-on/{}/flows"
        response = await users.post(path.format("company"), json=draft, headers=as_gateway())
        unknown = await users.post(path.format("other"), json=draft, headers=as_gateway())
        listed = await users.get("/internal/sign-on", headers=as_gateway())

    assert refusal(response) == (503, "SignOnUnavailable")
    assert refusal(unknown) == (404, "ProviderNotFound")
    assert listed.json() == {
        "providers": [{"name": "company", "title": "Company account"}], "keys": True
    }  # fmt: skip
