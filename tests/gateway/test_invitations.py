"""Accepting an invitation sets a session's cookie, and each refusal has a name of its own."""

import hashlib

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.credential_cache import new_session_token
from gateway.sessions import COOKIE

from .fake_services import OWNER, PERSON, Behaviour, StartGateway, error

PATH = "/api/session/invitation"
SECRET = new_session_token()
ACCEPTED = {"user_id": PERSON, "administrator": False, "api_key": "wrb_x", "session_seconds": 600}


def users_that(answers: int, body: dict[str, object]) -> Behaviour:
    async def users(request: Request) -> Response:
        if request.url.path.startswith("/internal/invitations/"):
            return JSONResponse(body, answers)
        if request.method == "DELETE":
            return JSONResponse({"result": False}, 500)
        return JSONResponse(OWNER)

    return users


async def test_an_accepted_invitation_is_a_session_and_a_key(start_gateway: StartGateway) -> None:
    async with start_gateway(users=users_that(201, ACCEPTED)) as running:
        accepted = await running.client.post(PATH, json={"invitation": SECRET})

        assert accepted.json() == {
            "result": True,
            "user_id": PERSON,
            "administrator": False,
            "api_key": "wrb_x",
        }
        assert accepted.headers["cache-control"] == "no-store"
        cookie = accepted.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "Max-Age=600" in cookie
        assert "SameSite=strict" in cookie
        (asked,) = running.users.requests
        assert hashlib.sha256(SECRET.encode()).hexdigest() in asked["target"]
        assert SECRET not in str(asked)
        assert (await running.client.get("/api/tweets")).status_code == 200


async def test_the_key_reaches_the_person_though_the_previous_session_cannot_be_ended(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway(users=users_that(201, ACCEPTED)) as running:
        earlier = new_session_token()
        running.client.cookies.set(COOKIE, earlier, domain="gateway.local", path="/")

        accepted = await running.client.post(PATH, json={"invitation": SECRET})

        assert accepted.json()["api_key"] == "wrb_x"
        assert running.users.requests[-1]["method"] == "DELETE"
        assert running.client.cookies[COOKIE] != earlier


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (404, "InvitationNotFound"),
        (409, "InvitationUsed"),
        (409, "InvitationExpired"),
        (409, "InvitationRevoked"),
    ],
)
async def test_each_refusal_has_its_name_and_sets_no_cookie(
    start_gateway: StartGateway, status: int, name: str
) -> None:
    body = {"result": False, "error_type": name, "error_message": "…"}
    async with start_gateway(users=users_that(status, body)) as running:
        refused = await running.client.post(PATH, json={"invitation": SECRET})

        assert error(refused) == (status, name)
        assert "set-cookie" not in refused.headers


async def test_users_is_not_asked_about_what_cannot_be_an_invitation(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway() as running:
        for content, expected in {
            '{"invitation": ""}': (404, "InvitationNotFound"),
            f'{{"invitation": "{SECRET[:-1]}"}}': (404, "InvitationNotFound"),
            '{"invitation": 1}': (422, "InvalidRequest"),
            "": (422, "InvalidRequest"),
            '{"invitation": "' + "x" * 5000 + '"}': (413, "PayloadTooLarge"),
        }.items():
            assert error(await running.client.post(PATH, content=content)) == expected, content
        elsewhere = await running.client.post(
            PATH, json={"invitation": SECRET}, headers={"origin": "http://evil"}
        )
        assert error(elsewhere) == (403, "CrossSiteRequest")
        assert running.users.requests == []


async def test_guessing_invitations_is_limited_as_guessing_keys_is(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEY_GUESSES_PER_MINUTE", "2")
    body = {"result": False, "error_type": "InvitationNotFound", "error_message": "…"}
    async with start_gateway(users=users_that(404, body)) as running:
        answers = [
            (await running.client.post(PATH, json={"invitation": new_session_token()})).status_code
            for _ in range(3)
        ]
        assert answers == [404, 404, 429]


async def test_acceptances_count_as_sign_ins(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_SIGN_INS_PER_MINUTE", "1")
    async with start_gateway(users=users_that(201, ACCEPTED)) as running:
        answers = [await running.client.post(PATH, json={"invitation": SECRET}) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 429]
