"""The browser's way to an identity provider and back: cookies, redirects, and where they lead."""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.credential_cache import new_session_token
from gateway.sessions import COOKIE
from gateway.sign_on.flow_cookie import COOKIE as FLOW_COOKIE

from .fake_services import OWNER, PERSON, Behaviour, StartGateway, error

LOCATION = "https://login.example.com/authorize?state=1"
START, CALLBACK = "/api/sign-on/company/start", "/api/sign-on/company/callback"
SIGNED_ON = {"user_id": PERSON, "next": "/tags", "seconds": 600, "previous_session": None}
OURS = {"origin": "http://gateway"}


class Users:
    """Users as the gateway sees it. Keeps what it was sent."""

    def __init__(self, status: int = 201, **body: Any) -> None:
        self.status = status
        self.body = body
        self.drafts: list[dict[str, Any]] = []

    async def __call__(self, request: Request) -> Response:
        path = request.url.path
        if not path.startswith("/internal/sign-on"):
            return JSONResponse({**OWNER, "roles": []})
        self.drafts.append(json.loads(await request.body() or b"{}"))
        usual = {"location": LOCATION} if path.endswith("/flows") else SIGNED_ON
        return JSONResponse(self.body or usual, self.status)


def refusing(name: str, status: int = 409) -> Users:
    return Users(status, result=False, error_type=name, error_message="…")


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def test_a_sign_on_is_bound_to_the_browser_and_ends_in_a_session(
    start_gateway: StartGateway,
) -> None:
    users = Users()
    async with start_gateway(users=users) as running:
        started = await running.client.get(f"{START}?next=/tags")
        cookie = running.client.cookies[FLOW_COOKIE]
        back = await running.client.get(f"{CALLBACK}?code=secret&state=abc&iss=https://x")

        assert (started.status_code, started.headers["location"]) == (303, LOCATION)
        assert "SameSite=lax" in started.headers["set-cookie"]
        assert "HttpOnly" in started.headers["set-cookie"]
        assert started.headers["cache-control"] == "no-store"
        flow, answered = users.drafts
        assert flow == {
            "browser_digest": digest(cookie),
            "redirect_uri": f"http://gateway{CALLBACK}",
            "next": "/tags",
            "link_user_id": None,
            "previous_session": None,
        }
        assert (back.status_code, back.headers["location"]) == (303, "/tags")
        assert FLOW_COOKIE not in running.client.cookies
        assert answered["state_digest"] == digest("abc")
        assert answered["browser_digest"] == digest(cookie)
        assert answered["session_digest"] == digest(running.client.cookies[COOKIE])
        assert (answered["code"], answered["iss"]) == ("secret", "https://x")
        assert "secret" not in str(running.users.requests)


async def test_behind_tls_the_cookie_belongs_to_this_host_alone(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PUBLIC_URL", "https://warble.example.com/")
    users = Users()
    async with start_gateway(users=users) as running:
        started = await running.client.get(START)
        foreign = {"cookie": f"{FLOW_COOKIE}=chosen"}
        await running.client.get(f"{CALLBACK}?code=1&state=2", headers=foreign)

        assert started.headers["set-cookie"].startswith(f"__Host-{FLOW_COOKIE}=")
        assert "Secure" in started.headers["set-cookie"]
        assert "Path=/" in started.headers["set-cookie"]
        flow, answered = users.drafts
        assert flow["redirect_uri"] == f"https://warble.example.com{CALLBACK}"
        assert answered["browser_digest"] == digest("")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example.com",
        "/\\evil.example.com",
        "https://evil.example.com",
        "javascript:alert(1)",
        "evil.example.com",
        "/\tevil",
        "/x\r\nset-cookie: a=b",
        "/api/session",
        "/uploads/x",
        "",
    ],
)
async def test_the_page_that_opens_afterwards_is_our_own(
    start_gateway: StartGateway, elsewhere: str
) -> None:
    """An open redirect in `next` would lend our name to another site's page."""
    users = Users(201, **SIGNED_ON | {"next": elsewhere, "location": LOCATION})
    async with start_gateway(users=users) as running:
        await running.client.get(START, params={"next": elsewhere})
        back = await running.client.get(f"{CALLBACK}?code=1&state=2")

        assert users.drafts[0]["next"] == "/"
        assert back.headers["location"] == "/"


async def test_the_earlier_session_is_named_so_that_it_ends(start_gateway: StartGateway) -> None:
    users = Users()
    async with start_gateway(users=users) as running:
        earlier = new_session_token()
        await running.client.get(START, headers={"cookie": f"{COOKIE}={earlier}"})

        assert users.drafts[0]["previous_session"] == digest(earlier)


@pytest.mark.parametrize("name", ["SignOnExpired", "NotAdmitted", "SignOnNotTrusted"])
async def test_a_failure_opens_the_page_that_explains_it(
    start_gateway: StartGateway, name: str
) -> None:
    async with start_gateway(users=refusing(name)) as running:
        for path in (START, f"{CALLBACK}?code=1&state=2"):
            failed = await running.client.get(path)

            assert (failed.status_code, failed.headers["location"]) == (303, f"/?sign_on={name}")
            assert COOKIE not in running.client.cookies


async def test_who_is_refused_is_forgotten_at_once(start_gateway: StartGateway) -> None:
    """The sign-on may have ended the person's sessions, and the event of that arrives later."""
    users = refusing("NotAdmitted", 403)
    users.body["error_details"] = {"user_id": PERSON}
    async with start_gateway(users=users) as running:
        for _ in range(2):
            await running.client.get("/api/tweets", headers={"api-key": "anything"})
            await running.client.get(f"{CALLBACK}?code=1&state=2")

        looked_up = [call for call in running.users.requests if "/keys/" in call["target"]]
        assert len(looked_up) == 2


async def test_an_unknown_error_of_users_is_not_passed_on(start_gateway: StartGateway) -> None:
    async with start_gateway(users=refusing("<script>", 500)) as running:
        failed = await running.client.get(START)

        assert failed.headers["location"] == "/?sign_on=BadGateway"


async def test_linking_needs_a_wide_key_and_our_own_page(start_gateway: StartGateway) -> None:
    def owning(scope: str) -> Behaviour:
        async def users(request: Request) -> Response:
            if request.url.path == "/internal/sign-on":
                company = {"name": "company", "title": "Company account"}
                return JSONResponse({"providers": [company], "keys": True})
            if request.url.path.startswith("/internal/sign-on"):
                drafts.append(json.loads(await request.body()))
                return JSONResponse({"location": LOCATION}, 201)
            return JSONResponse({**OWNER, "scope": scope, "roles": []})

        return users

    drafts: list[dict[str, Any]] = []
    path, key = "/api/sign-on/company/link", {"api-key": "anything"}
    async with start_gateway(users=owning("account")) as running:
        linked = await running.client.post(path, headers=key)
        cross_site = await running.client.post(path, headers={**key, "origin": "http://evil"})
        nobody = await running.client.post(path)
    async with start_gateway(users=owning("write")) as running:
        narrow = await running.client.post(path, headers=key)
        unknown = await running.client.post("/api/sign-on/other/link", headers=key)
    async with start_gateway(users=owning("read")) as running:
        reading = await running.client.post(path, headers=key)

    assert linked.json() == {"result": True, "location": LOCATION}
    assert drafts[0]["link_user_id"] == PERSON
    assert error(cross_site) == (403, "CrossSiteRequest")
    assert error(nobody) == (401, "NotSignedIn")
    assert error(narrow) == (403, "AccountScopeRequired")
    assert error(unknown) == (404, "ProviderNotFound")
    assert error(reading) == (403, "ReadOnlyKey")
    assert len(drafts) == 1


@pytest.mark.parametrize(
    "body", ["", "logout_token=a&logout_token=b", "x=1", "logout_token=" + "a" * 30_000, "\xff"]
)
async def test_a_malformed_logout_never_reaches_users(
    start_gateway: StartGateway, body: str
) -> None:
    users = Users()
    async with start_gateway(users=users) as running:
        refused = await post_logout(running.client, body)

        assert error(refused) in [(400, "LogoutNotAccepted"), (413, "PayloadTooLarge")]
        assert users.drafts == []


async def test_a_logout_by_the_provider_is_passed_on(start_gateway: StartGateway) -> None:
    users = Users(200, user_ids=[PERSON])
    async with start_gateway(users=users) as running:
        await running.client.get("/api/tweets", headers={"api-key": "anything"})
        accepted = await post_logout(running.client, urlencode({"logout_token": "a.b.c"}))
        await running.client.get("/api/tweets", headers={"api-key": "anything"})

        assert (accepted.status_code, accepted.json()) == (200, {"result": True})
        assert accepted.headers["cache-control"] == "no-store"
        assert users.drafts == [{"logout_token": "a.b.c"}]
        looked_up = [call for call in running.users.requests if "/keys/" in call["target"]]
        assert len(looked_up) == 2


async def test_signing_out_leads_to_the_provider(start_gateway: StartGateway) -> None:
    async def users(request: Request) -> Response:
        url = "https://login.example.com/end?client_id=warble"
        return JSONResponse({"result": True, "sign_out_url": url})

    async with start_gateway(users=users) as running:
        cookie = {"cookie": f"{COOKIE}={new_session_token()}"}
        out = await running.client.delete("/api/session", headers={**OURS, **cookie})

        assert out.json()["sign_out_url"] == (
            "https://login.example.com/end?client_id=warble"
            "&post_logout_redirect_uri=http%3A%2F%2Fgateway%2F"
        )


async def post_logout(client: httpx.AsyncClient, body: str) -> httpx.Response:
    return await client.post(
        "/api/sign-on/company/logout",
        content=body.encode("latin-1"),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
