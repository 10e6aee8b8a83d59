"""Permissions: every operation of the contract, called with every kind of credential."""

import importlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, NamedTuple

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.routing import iter_route_contexts

from chassis import testing
from chassis.auth.identity import (
    IDENTITY_HEADER,
    ISSUER,
    LIFETIME_SECONDS,
    Identity,
    KeyScope,
    Signer,
    decode_key,
)
from devstack import keys
from devstack.instance import Instance
from devstack.repository import SERVICES

from .company import Company, Person
from .operations import (
    ADMINISTRATORS,
    CHANGES_THE_OWNER,
    EXCHANGES,
    FINE,
    OPERATIONS,
    ROWS,
    SERVED,
    Asked,
    is_open,
)

NOBODY = "401 NotSignedIn"
ONLY_READS = "403 ReadOnlyKey"
_FIRST_SERVED = {
    OPERATIONS[operation]["x-warble-service"]: operation
    for operation in reversed(SERVED)
    if not is_open(operation)
}
FORGED = [
    pytest.param(operation, marks=() if operation in _FIRST_SERVED.values() else pytest.mark.slow)
    for operation in SERVED
]
"""One operation of each service in `make test`, all in `make test-slow`."""


class Internal(NamedTuple):
    """An internal call between services, which the contract does not contain."""

    path: str
    audience: str
    """The service that the identity token is issued for."""
    asker: Identity
    """The identity that may make the call."""
    person: str = NOBODY
    """The response to a person, and below to an administrator, with a valid identity."""
    administrator: str = NOBODY
    method: str = "GET"
    body: dict[str, str] | None = None


_DIGEST = "0" * 64
INTERNAL = {
    "users GET /internal/keys/{digest}": Internal(
        f"/internal/keys/{_DIGEST}", "users", Identity(0, KeyScope.read)
    ),
    "users GET /internal/sessions/{digest}": Internal(
        f"/internal/sessions/{_DIGEST}", "users", Identity(0, KeyScope.read)
    ),
    "users DELETE /internal/sessions/{digest}": Internal(
        f"/internal/sessions/{_DIGEST}", "users", Identity(0, KeyScope.read), method="DELETE"
    ),
    "users POST /internal/sessions": Internal(
        "/internal/sessions",
        "users",
        Identity(0, KeyScope.read),
        method="POST",
        body={"digest": _DIGEST, "key_digest": _DIGEST, "client": ""},
    ),
    "users POST /internal/invitations/{digest}/acceptance": Internal(
        f"/internal/invitations/{_DIGEST}/acceptance",
        "users",
        Identity(0, KeyScope.read),
        method="POST",
        body={"session_digest": _DIGEST, "client": ""},
    ),
    "users GET /internal/sign-on": Internal(
        "/internal/sign-on", "users", Identity(0, KeyScope.read)
    ),
    "users POST /internal/sign-on/{provider}/flows": Internal(
        "/internal/sign-on/nothing/flows",
        "users",
        Identity(0, KeyScope.read),
        method="POST",
        body={"browser_digest": _DIGEST, "redirect_uri": "", "next": "/"},
    ),
    "users POST /internal/sign-on/{provider}/answers": Internal(
        "/internal/sign-on/nothing/answers",
        "users",
        Identity(0, KeyScope.read),
        method="POST",
        body={
            "state_digest": _DIGEST,
            "browser_digest": _DIGEST,
            "session_digest": _DIGEST,
            "client": "",
        },
    ),
    "users POST /internal/sign-on/{provider}/logouts": Internal(
        "/internal/sign-on/nothing/logouts",
        "users",
        Identity(0, KeyScope.read),
        method="POST",
        body={"logout_token": "x"},
    ),
    "media GET /internal/media": Internal(
        "/internal/media?ids=1", "tweets", Identity(1, KeyScope.account)
    ),
    **{
        f"{service} GET /internal/erasures/{{id}}": Internal(
            "/internal/erasures/1", service, Identity(1, KeyScope.admin), ADMINISTRATORS, FINE
        )
        for service in SERVICES
    },
    **{
        f"{service} GET /internal/backlog": Internal(
            "/internal/backlog", service, Identity(1, KeyScope.admin), ADMINISTRATORS, FINE
        )
        for service in SERVICES
    },
    **{
        f"{service} GET /internal/export/{{name}}": Internal(
            f"/internal/export/{name}", service, Identity(1, KeyScope.account), FINE, FINE
        )
        for service, name in (
            ("users", "profile"),
            ("tweets", "likes"),
            ("media", "pictures"),
            ("notifications", "notifications"),
        )
    },
}


def outcome(response: httpx.Response) -> str:
    if response.is_success or response.request.method == "HEAD":
        return str(response.status_code)
    return f"{response.status_code} {response.json()['error_type']}"


def reads(operation: str) -> bool:
    return operation.startswith(("GET ", "HEAD "))


def for_a_reader(operation: str) -> str:
    """The expected response to another person's key of the scope `read`."""
    return ROWS[operation].another if reads(operation) or is_open(operation) else ONLY_READS


async def outcome_of(
    company: Company, operation: str, asking: Asked, headers: dict[str, str], url: str = ""
) -> str:
    path, request = asking
    method = operation.partition(" ")[0]
    opening = company.http.stream(method, url + path, headers=headers, **request)
    async with opening as response:
        if not response.headers["content-type"].startswith("text/event-stream"):
            await response.aread()
        return outcome(response)


async def further_key(person: Person, user_id: int, scope: str) -> dict[str, Any]:
    created: dict[str, Any] = await person.done(
        "POST", f"/api/users/{user_id}/keys", json={"scope": scope}
    )
    return created


@pytest.fixture
async def held_back(company: Company) -> AsyncIterator[Person]:
    """An administrator with a key of the scope `write`, which has no administrator rights."""
    admin = company.administrator
    me = (await admin.done("GET", "/api/users/me"))["user"]["id"]
    created = await further_key(admin, me, "write")
    yield replace(admin, key=created["api_key"])
    await admin.done("DELETE", f"/api/users/{me}/keys/{created['key_id']}")


@pytest.fixture(scope="module")
def hired() -> dict[str, Person]:
    return {}


@pytest.fixture
async def people(company: Company, hired: dict[str, Person]) -> dict[str, Person]:
    """The callers, by description. They are registered once, because no operation changes them.

    "the owner" is only for operations that do not change the owner.
    """
    if not hired:
        admin = company.administrator
        leaver, robbed, another = [await company.hire(name) for name in ("Lea", "Rob", "Boris")]
        await admin.done("DELETE", f"/api/users/{leaver.id}")
        await admin.done("DELETE", f"/api/users/{robbed.id}/key")
        reading = await further_key(another, another.id, "read")
        hired |= {
            "a deactivated person": leaver,
            "a revoked key": robbed,
            "another person": another,
            "a key that only reads": replace(another, key=reading["api_key"]),
            "the owner": await company.hire("Ann"),
        }
    return {who: replace(person, http=company.http) for who, person in hired.items()}


def served_at(stack: Instance, operation: str) -> tuple[str, str]:
    """The service of the operation, and the address of a process that serves it."""
    service = OPERATIONS[operation]["x-warble-service"]
    if service == "stream":
        return "notifications", stack.stream_urls()[0]
    return service, stack.url(f"{service}-api-1") or ""


async def owner_for(operation: str, company: Company, people: dict[str, Person]) -> Person:
    if CHANGES_THE_OWNER.match(operation):
        return await company.hire("Ann")
    return people["the owner"]


def forgeries(private_key: str, service: str, user_id: int) -> dict[str, dict[str, str]]:
    """Forged identity tokens of an administrator, which the service must refuse."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sub": str(user_id),
        "scope": "admin",
        "aud": service,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
    }
    ours = Ed25519PrivateKey.from_private_bytes(decode_key(private_key))
    elsewhere = next(name for name in SERVICES if name != service)

    def signed(**changed: Any) -> str:
        payload = {name: value for name, value in (claims | changed).items() if value is not None}
        return jwt.encode(payload, ours, algorithm="EdDSA")

    good = signed()
    head, body, signature = good.split(".")
    return {
        "none": {},
        **{
            what: {IDENTITY_HEADER: token}
            for what, token in {
                "rubbish": "1",
                "unsigned": jwt.encode(claims, "", algorithm="none"),
                "its signature cut off": f"{head}.{body}.",
                "another's claims under a good signature": f"{head}.{body[:-4]}AAAA.{signature}",
                "signed with the public key as a secret": jwt.encode(
                    claims, keys.public_keys_of(private_key).ljust(64, "="), algorithm="HS256"
                ),
                "signed by another key": testing.identity_headers(
                    service, user_id, administrator=True
                )[IDENTITY_HEADER],
                "expired": signed(iat=now - 120, exp=now - 60),
                "living too long": signed(exp=now + LIFETIME_SECONDS + 1),
                "without an end": signed(exp=None),
                "for another service": signed(aud=elsewhere),
                "for no service": signed(aud=None),
                "by another issuer": signed(iss="someone"),
            }.items()
        },
    }


def test_every_operation_has_its_row() -> None:
    assert ROWS.keys() | EXCHANGES == OPERATIONS.keys()


@pytest.mark.parametrize("operation", ROWS)
async def test_each_gets_through_the_gateway_what_is_theirs(
    company: Company, people: dict[str, Person], held_back: Person, operation: str
) -> None:
    row = ROWS[operation]

    answers = {}
    for who, person in {
        "nobody": None,
        "someone with a made-up key": Person(0, "", "made up", company.http),
        **people,
        "an administrator": company.administrator,
        "an administrator's key that only writes": held_back,
        "the owner's key that only writes": None,
    }.items():
        narrow = who == "the owner's key that only writes"
        owner = await (company.hire("Ann") if narrow else owner_for(operation, company, people))
        asking = await row.asks(owner)
        if narrow:
            key = (await further_key(owner, owner.id, "write"))["api_key"]
        else:
            asking_person = owner if who == "the owner" else person
            key = "" if asking_person is None else asking_person.key
        headers = {"api-key": key} if key else {}
        answers[who] = await outcome_of(company, operation, asking, headers)

    stranger = row.another if is_open(operation) else NOBODY
    assert answers == {
        "nobody": stranger,
        "someone with a made-up key": stranger,
        "a deactivated person": stranger,
        "a revoked key": stranger,
        "another person": row.another,
        "a key that only reads": for_a_reader(operation),
        "an administrator": row.administrator,
        "an administrator's key that only writes": row.another,
        "the owner": row.owner,
        "the owner's key that only writes": row.narrow or row.owner,
    }


@pytest.mark.parametrize("operation", SERVED)
async def test_each_service_judges_by_itself_who_asks(
    company: Company, stack: Instance, people: dict[str, Person], operation: str
) -> None:
    row = ROWS[operation]
    service, url = served_at(stack, operation)
    signer = Signer(stack.secrets["identity"])
    another = people["another person"]
    admin_id = (await company.administrator.done("GET", "/api/users/me"))["user"]["id"]

    answers = {}
    for who, identity in {
        "another person": Identity(another.id, KeyScope.account),
        "a key that only reads": Identity(another.id, KeyScope.read),
        "an administrator": Identity(admin_id, KeyScope.admin),
        "the owner": None,
        "the gateway itself": Identity(0, KeyScope.account),
    }.items():
        owner = await owner_for(operation, company, people)
        token = signer.sign(identity or Identity(owner.id, KeyScope.account), service)
        asking = await row.asks(owner)
        answers[who] = await outcome_of(company, operation, asking, {IDENTITY_HEADER: token}, url)
    owner = await owner_for(operation, company, people)
    asking = await row.asks(owner)
    forged = testing.identity_headers(service, owner.id, administrator=True)
    answers["nobody"] = await outcome_of(company, operation, asking, {}, url)
    answers["signed by another key"] = await outcome_of(company, operation, asking, forged, url)

    stranger = row.another if is_open(operation) else NOBODY
    assert answers == {
        "another person": row.another,
        "a key that only reads": for_a_reader(operation),
        "an administrator": row.administrator,
        "the owner": row.owner,
        "the gateway itself": stranger,
        "nobody": stranger,
        "signed by another key": stranger,
    }


@pytest.mark.parametrize("operation", FORGED)
async def test_each_service_refuses_a_forged_identity(
    company: Company, stack: Instance, people: dict[str, Person], operation: str
) -> None:
    row = ROWS[operation]
    service, url = served_at(stack, operation)
    owner = await owner_for(operation, company, people)
    asking = await row.asks(owner)

    answers = {
        what: await outcome_of(company, operation, asking, headers, url)
        for what, headers in forgeries(stack.secrets["identity"], service, owner.id).items()
    }

    assert answers == dict.fromkeys(answers, row.another if is_open(operation) else NOBODY)


async def test_a_key_is_exchanged_for_a_session_while_it_is_good(company: Company) -> None:
    leaver, robbed, ann = [await company.hire(name) for name in ("Lea", "Rob", "Ann")]
    await company.administrator.done("DELETE", f"/api/users/{leaver.id}")
    await company.administrator.done("DELETE", f"/api/users/{robbed.id}/key")

    answers = [
        outcome(await company.http.post("/api/session", json={"api_key": key}))
        for key in (ann.key, company.administrator.key, leaver.key, robbed.key, "made up")
    ]
    out = await company.http.delete("/api/session")

    assert answers == ["200", "200", NOBODY, NOBODY, NOBODY]
    assert outcome(out) == "200"


async def test_an_invitation_is_exchanged_for_a_key_and_a_session_while_it_is_good(
    company: Company,
) -> None:
    admin = company.administrator
    ann, leaver, erased = [
        await admin.done("POST", "/api/invitations", json={"name": name})
        for name in ("Ann", "Lea", "Eve")
    ]
    await admin.done("DELETE", f"/api/users/{leaver['user_id']}")
    erasure = {"user_id": erased["user_id"], "name": "Eve"}
    await admin.done("POST", "/api/erasures", json=erasure)

    async def accept(secret: str) -> httpx.Response:
        return await company.http.post("/api/session/invitation", json={"invitation": secret})

    first = await accept(ann["invitation"])
    by_key = await Person(ann["user_id"], "Ann", first.json()["api_key"], company.http).ask(
        "GET", "/api/users/me"
    )
    by_session = await company.http.get("/api/users/me")
    company.http.cookies.clear()

    assert first.json()["user_id"] == by_key.json()["user"]["id"] == ann["user_id"]
    assert by_session.json()["user"]["id"] == ann["user_id"]
    assert [
        outcome(await accept(secret))
        for secret in (
            ann["invitation"],
            leaver["invitation"],
            erased["invitation"],
            "made up",
            "0" * 43,
        )
    ] == [
        "409 InvitationUsed",
        "409 InvitationRevoked",
        *["404 InvitationNotFound"] * 3,
    ]


def test_every_internal_call_has_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = set()
    for service in SERVICES:
        monkeypatch.setenv(f"{service.upper()}_IDENTITY_PUBLIC_KEY", testing.PUBLIC_KEY)
        routes = importlib.import_module(f"services.{service}.api_process").create_app().routes
        calls |= {
            f"{service} {' '.join(sorted(route.methods or ()))} {route.path}"
            for route in iter_route_contexts(routes)
            if (route.path or "").startswith("/internal/")
        }

    assert calls == INTERNAL.keys()


@pytest.mark.parametrize("call", INTERNAL)
async def test_what_services_ask_of_each_other_is_nobody_elses(
    company: Company, stack: Instance, call: str
) -> None:
    service, row = call.partition(" ")[0], INTERNAL[call]
    private_key = stack.secrets["identity"]
    signer = Signer(private_key)
    admin_id = (await company.administrator.done("GET", "/api/users/me"))["user"]["id"]
    asking = {
        **forgeries(private_key, row.audience, row.asker.user_id),
        "a person": {IDENTITY_HEADER: signer.sign(Identity(admin_id, KeyScope.account), service)},
        "an administrator": {
            IDENTITY_HEADER: signer.sign(Identity(admin_id, KeyScope.admin), service)
        },
    }
    right = {IDENTITY_HEADER: signer.sign(row.asker, row.audience)}

    async def ask(headers: dict[str, str]) -> str:
        url = f"{stack.url(f'{service}-api-1')}{row.path}"
        return outcome(await company.http.request(row.method, url, headers=headers, json=row.body))

    answers = {what: await ask(headers) for what, headers in asking.items()}

    assert answers == dict.fromkeys(answers, NOBODY) | {
        "a person": row.person,
        "an administrator": row.administrator,
    }
    assert await ask(right) not in (NOBODY, ADMINISTRATORS)
    assert outcome(await company.administrator.ask(row.method, f"/api{row.path}")) == "404 NotFound"
