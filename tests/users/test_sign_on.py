"""Sign-on at an identity provider: people, roles and sessions, and every known way to cheat."""

import asyncio
import base64
import functools
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import FastAPI
from joserfc import jwk, jws, jwt
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import testing
from chassis.auth.identity import KeyScope
from chassis.database.session import Database, execute
from devstack.instance import Instance
from operate import postgres
from services.users import main
from services.users.commands.locks import lock_account, lock_provider_session
from services.users.openid import Providers
from services.users.settings import Settings
from tests import identity_provider
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, Token, encode
from tests.waiting import eventually

from .conftest import People
from .test_keys import make, refusal, signed
from .test_sessions import as_gateway, listed, owner_of

CALLBACK = "https://warble.example.com/api/sign-on/company/callback"
GROUPS = {
    "admitting_groups": ["staff"],
    "administrator_groups": ["admins"],
    "moderator_groups": ["moderators"],
}


@pytest.fixture(scope="module")
async def two_providers() -> AsyncIterator[tuple[IdentityProvider, IdentityProvider]]:
    """Started once per module, because a server takes a while to stop."""
    async with identity_provider.running() as one, identity_provider.running() as other:
        yield one, other


@pytest.fixture
def provider(two_providers: tuple[IdentityProvider, IdentityProvider]) -> IdentityProvider:
    provider, _ = two_providers
    provider.reset(f"ann-{secrets.token_hex(4)}")
    return provider


@pytest.fixture
def other(two_providers: tuple[IdentityProvider, IdentityProvider]) -> IdentityProvider:
    _, other = two_providers
    other.reset("ann")
    return other


@pytest.fixture(scope="module")
def app(
    as_service: Callable[[str], None], two_providers: tuple[IdentityProvider, IdentityProvider]
) -> FastAPI:
    as_service("users")
    provider, other = two_providers
    settings = {
        "company": provider.settings(**GROUPS, department_claim="department"),
        "partner": other.settings(admitting_groups=["*"]),
    }
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("USERS_SIGN_ON", json.dumps(settings))
        return main.create_app()


@pytest.fixture
async def users(
    app: FastAPI, provider: IdentityProvider, other: IdentityProvider
) -> AsyncIterator[httpx.AsyncClient]:
    # Nothing is known of the providers of the test before.
    app.state.providers = Providers(app.state.settings.sign_on)
    async with testing.client_for(app) as client:
        yield client


class Browser:
    """Signs on as a browser and the gateway do together."""

    def __init__(self, users: httpx.AsyncClient, name: str = "company") -> None:
        self.users = users
        self.name = name
        self.digest = secrets.token_hex(32)
        """Of the cookie."""

    async def start(self, **more: Any) -> str:
        draft = {"browser_digest": self.digest, "redirect_uri": CALLBACK, "next": "/tags", **more}
        path = f"/internal/sign-on/{self.name}/flows"
        response = await self.users.post(path, json=draft, headers=as_gateway())
        assert response.status_code == 201, response.text
        location: str = response.json()["location"]
        return location

    async def answer(self, answer: dict[str, str], **more: Any) -> httpx.Response:
        """The response; `session` is the digest of the session that the sign-on may start."""
        self.session = secrets.token_hex(32)
        draft = {
            "state_digest": hashlib.sha256(answer.get("state", "").encode()).hexdigest(),
            "browser_digest": self.digest,
            "code": answer.get("code"),
            "iss": answer.get("iss"),
            "session_digest": self.session,
            "client": "Firefox",
            **more,
        }
        path = f"/internal/sign-on/{self.name}/answers"
        return await self.users.post(path, json=draft, headers=as_gateway())

    async def sign_on(self, provider: IdentityProvider, **start: Any) -> httpx.Response:
        return await self.answer(provider.authorize(await self.start(**start)))

    async def owner(self) -> dict[str, Any]:
        response = await owner_of(self.users, self.session)
        assert response.status_code == 200, response.text
        owner: dict[str, Any] = response.json()
        return owner


async def signed_on(response: httpx.Response) -> int:
    assert response.status_code == 201, response.text
    user_id: int = response.json()["user_id"]
    return user_id


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


# Attacks. Each row changes one thing of a sign-on that would otherwise succeed.


class Attack(NamedTuple):
    reason: str
    """The published hole that the attack comes from, or the rule that it breaks."""
    prepare: Callable[[IdentityProvider], None]
    error: str = "SignOnNotTrusted"


def _claims(**claims: Any) -> Callable[[IdentityProvider], None]:
    def prepare(provider: IdentityProvider) -> None:
        provider.claims = claims

    return prepare


def _answer(**answer: str | None) -> Callable[[IdentityProvider], None]:
    def prepare(provider: IdentityProvider) -> None:
        provider.answer = answer

    return prepare


def _late(**seconds: int) -> Callable[[IdentityProvider], None]:
    def prepare(provider: IdentityProvider) -> None:
        provider.claims = {name: int(time.time()) + offset for name, offset in seconds.items()}

    return prepare


def _unsigned(provider: IdentityProvider) -> None:
    provider.encode = lambda header, claims: f"{encode({'alg': 'none'})}.{encode(claims)}."


def _signed_with_public_key(provider: IdentityProvider) -> None:
    def forge(header: Token, claims: Token) -> str:
        head = f"{encode({**header, 'alg': 'HS256'})}.{encode(claims)}"
        mac = hmac.new(provider.key.as_pem(private=False), head.encode(), "sha256").digest()
        return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    provider.encode = forge


@functools.cache
def _own_key() -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048)


def _signed_with_own_key(**header: Any) -> Callable[[IdentityProvider], None]:
    """The attacker signs with a key that the token brings or names."""

    def prepare(provider: IdentityProvider) -> None:
        key = _own_key()

        def forge(_: Token, claims: Token) -> str:
            brought = {
                name: key.as_dict(private=False) if value == "own" else value
                for name, value in header.items()
            }
            registry = jws.JWSRegistry(strict_check_header=False)
            full = {"alg": "RS256", **brought}
            return jws.serialize_compact(full, json.dumps(claims), key, registry=registry)

        provider.encode = forge

    return prepare


def _critical(provider: IdentityProvider) -> None:
    def forge(header: Token, claims: Token) -> str:
        head = {**header, "crit": ["bork"], "bork": True}
        signing_input = f"{encode(head)}.{encode(claims)}".encode()
        assert provider.key.private_key
        signature = provider.key.private_key.sign(signing_input, PKCS1v15(), SHA256())
        return (
            f"{signing_input.decode()}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
        )

    provider.encode = forge


def _another_algorithm(provider: IdentityProvider) -> None:
    provider.encode = lambda header, claims: jwt.encode(
        {**header, "alg": "RS512"},
        {**claims, "at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        provider.key,
        algorithms=["RS512"],
    )


def _large(provider: IdentityProvider) -> None:
    provider.claims = {"padding": "x" * 20_000}


def _demands_issuer(provider: IdentityProvider) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": True}


def _other_userinfo(provider: IdentityProvider) -> None:
    provider.claims = {"groups": None}
    provider.userinfo = {"sub": "somebody else", "groups": ["staff", "admins"]}


ATTACKS = {
    "an unsigned token": Attack("CVE-2022-29217: alg none", _unsigned),
    "HMAC with the public key": Attack("CVE-2022-29217: RS256 as HS256", _signed_with_public_key),
    "a key in the token": Attack("CVE-2026-27962: embedded jwk", _signed_with_own_key(jwk="own")),
    "an embedded key, unknown kid": Attack(
        "CVE-2026-27962: embedded jwk for an unknown kid", _signed_with_own_key(jwk="own", kid="?")
    ),
    "the address of a key": Attack(
        "CVE-2026-27962", _signed_with_own_key(jku="http://127.0.0.1:9/keys", kid="first")
    ),
    "another key of this name": Attack("a forged signature", _signed_with_own_key(kid="first")),
    "an unknown kid": Attack("the provider has no such key", _signed_with_own_key(kid="second")),
    "an unknown critical header": Attack("CVE-2025-59420, CVE-2026-32597: crit", _critical),
    "a wrong at_hash": Attack("the access token is another's", _claims(at_hash="A" * 22)),
    "a wrong at_hash, another algorithm": Attack(
        "Authlib 1.6.9: at_hash of an unknown alg", _another_algorithm
    ),
    "a large token": Attack("CVE-2025-61920: oversized token", _large),
    "a similar issuer": Attack("CVE-2024-53861: iss by substring", _claims(iss="http://127.0.0.1")),
    "another issuer": Attack("iss is exact", _claims(iss="https://evil.example.com")),
    "another audience": Attack("aud is ours", _claims(aud="warble-test")),
    "another audience besides": Attack("azp is ours", _claims(aud=[CLIENT_ID, "other"])),
    "another authorized party": Attack("azp is ours", _claims(azp="other")),
    "no audience": Attack("aud is there", _claims(aud=None)),
    "an expired token": Attack("exp", _late(exp=-90)),
    "a token of the future": Attack("iat", _late(iat=90)),
    "no expiry": Attack("exp is there", _claims(exp=None)),
    "an expiry that is no number": Attack("NaN never expires", _claims(exp="never")),
    "no nonce": Attack("the token belongs to the flow", _claims(nonce=None)),
    "another nonce": Attack("a replayed token", _claims(nonce="another")),
    "no subject": Attack("sub is the identity", _claims(sub=None)),
    "a subject that is no text": Attack("sub is the identity", _claims(sub=7)),
    "another issuer's answer": Attack("RFC 9207: mix-up", _answer(iss="https://evil.example.com")),
    "an answer without issuer": Attack("RFC 9207: mix-up", _demands_issuer),
    "a code that was not given": Attack("a guessed code", _answer(code="guessed")),
    "userinfo of another account": Attack("OpenID Connect 5.3.2", _other_userinfo),
    "no code": Attack("the provider refused", _answer(code=None), "SignOnCancelled"),
    "groups that are elsewhere": Attack(
        "too many groups at Entra ID",
        _claims(groups=None, _claim_names={"groups": "src1"}),
        "TooManyGroups",
    ),
    "no name": Attack("a person has a name", _claims(name=None), "NameNotSent"),
}


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
    async with testing.client_for(main.create_app()) as users:
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


# Back-channel logout.


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
