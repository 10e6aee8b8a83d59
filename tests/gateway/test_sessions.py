"""Sessions: the cookie, how a session ends, and which requests may write with it."""

import hashlib
import json

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis import testing
from chassis.auth.identity import Verifier
from gateway.credential_cache import new_session_token
from gateway.sessions import COOKIE, EXPECTED_PERSON_HEADER

from .fake_services import OWNER, PERSON, RunningGateway, StartGateway, error, owner_of_any_key

KEY = "anything"
OURS = {"origin": "http://gateway"}
FROM_ELSEWHERE = [
    {},
    {"sec-fetch-site": "cross-site", "origin": "http://evil"},
    {"sec-fetch-site": "same-site", "origin": "http://gateway"},
    {"sec-fetch-site": "none"},
    {"origin": "http://evil"},
    {"origin": "http://gateway:81"},
    {"origin": "http://gateway.evil"},
    {"origin": "null"},
]
FROM_OUR_PAGE = [
    {"sec-fetch-site": "same-origin"},
    {"origin": "http://gateway"},
    {"origin": "https://gateway"},
    {"origin": "https://Gateway:8443", "host": "gateway:8443"},
]
WRITES = [("POST", "/api/tweets"), ("DELETE", "/api/tweets/1"), ("PATCH", "/api/users/1")]


async def sign_in(running: RunningGateway, **headers: str) -> httpx.Response:
    return await running.client.post("/api/session", json={"api_key": KEY}, headers=headers)


async def test_a_session_works_as_its_key_and_is_not_forwarded(start_gateway: StartGateway) -> None:
    async with start_gateway() as running:
        signed_in = await sign_in(running)
        read = await running.client.get("/api/tweets")
        written = await running.client.post("/api/tweets", json={}, headers=OURS)

        assert signed_in.json() == {"result": True, "user_id": PERSON, "administrator": False}
        assert (read.status_code, written.status_code) == (200, 200)
        for fake_service in (running.feed, running.tweets):
            headers = fake_service.requests[-1]["headers"]
            service = "feed" if fake_service is running.feed else "tweets"
            identity = Verifier(testing.PUBLIC_KEY, service).verify(headers["warble-identity"])
            assert identity.user_id == PERSON
            assert not headers.keys() & {"cookie", "origin", "api-key"}
        calls = [(call["method"], call["target"].split("/")[2]) for call in running.users.requests]
        # Look up the key, store the session, and look the session up once.
        assert calls == [("GET", "keys"), ("POST", "sessions?"), ("GET", "sessions")]
        assert running.client.cookies[COOKIE] not in str(running.users.requests)


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway() as running:
        plain = (await sign_in(running)).headers["set-cookie"].lower().split("; ")
        behind_tls = (await sign_in(running, origin="https://gateway")).headers["set-cookie"]
        by_https = await running.client.post("https://gateway/api/session", json={"api_key": KEY})

        assert set(plain[1:]) == {"httponly", "max-age=2592000", "path=/", "samesite=strict"}
        assert "; secure" in behind_tls.lower()
        assert "; secure" in by_https.headers["set-cookie"].lower()


async def test_an_ended_session_is_refused(start_gateway: StartGateway) -> None:
    active = True

    async def owner(request: Request) -> Response:
        if active:
            return await owner_of_any_key(request)
        return JSONResponse({"result": False, "error_type": "SessionEnded"}, 404)

    async with start_gateway(users=owner) as running:
        await sign_in(running)
        before = await running.client.get("/api/tweets")
        active = False
        running.client._transport.app._proxy._credentials.expire_person(PERSON)  # type: ignore[attr-defined]
        after = await running.client.get("/api/tweets")

        assert before.status_code == 200
        assert error(after) == (401, "NotSignedIn")
        assert error(await sign_in(running)) == (401, "NotSignedIn")


async def test_users_is_not_asked_about_cookies_that_cannot_be_tokens(
    start_gateway: StartGateway,
) -> None:
    token = new_session_token()
    cookies = [token[:-1], token + "A", token[:-1] + "%", "", "!§$%", "a" * 10_000]
    async with start_gateway() as running:
        for cookie in cookies:
            header = f"a=b; {COOKIE}={cookie}".encode("latin-1")
            response = await running.client.get("/api/tweets", headers={b"cookie": header})
            assert error(response) == (401, "NotSignedIn"), cookie
            out = await running.client.delete("/api/session", headers={b"cookie": header})
            assert out.status_code == 200, cookie

        assert running.users.requests == []
        well_formed = {"cookie": f"a=b; {COOKIE}={token}"}
        assert (await running.client.get("/api/tweets", headers=well_formed)).status_code == 200


async def test_signing_in_again_ends_the_previous_session(start_gateway: StartGateway) -> None:
    async with start_gateway() as running:
        await sign_in(running)
        first = running.client.cookies[COOKIE]
        await sign_in(running)

        assert running.client.cookies[COOKIE] != first
        digest = hashlib.sha256(first.encode()).hexdigest()
        assert running.users.requests[-1]["method"] == "DELETE"
        assert running.users.requests[-1]["target"].rstrip("?").endswith(digest)


async def test_a_failed_sign_out_is_an_error_and_keeps_the_cookie(
    start_gateway: StartGateway,
) -> None:
    async def users(request: Request) -> Response:
        if request.method == "DELETE":
            return JSONResponse({"result": False}, 500)
        return await owner_of_any_key(request)

    async with start_gateway(users=users) as running:
        await sign_in(running)
        out = await running.client.delete("/api/session")

        assert error(out) == (502, "BadGateway")
        assert (await running.client.get("/api/tweets")).status_code == 200


async def test_another_site_cannot_write_with_the_cookie(start_gateway: StartGateway) -> None:
    async with start_gateway() as running:
        await sign_in(running)
        for headers in FROM_ELSEWHERE:
            for method, path in WRITES:
                write = await running.client.request(method, path, headers=headers)
                assert error(write) == (403, "CrossSiteRequest"), headers
            by_key = await running.client.post("/api/tweets", headers={**headers, "api-key": KEY})
            assert by_key.status_code == 200

        assert len(running.tweets.requests) == len(FROM_ELSEWHERE)


async def test_our_page_can_write_with_the_cookie(start_gateway: StartGateway) -> None:
    async with start_gateway() as running:
        for headers in FROM_OUR_PAGE:
            await running.client.post("/api/session", json={"api_key": KEY}, headers=headers)
            for method, path in WRITES:
                cookie = {"cookie": f"{COOKIE}={new_session_token()}"}
                write = await running.client.request(method, path, headers={**headers, **cookie})
                assert write.status_code == 200, headers
            out = await running.client.delete("/api/session", headers=headers)
            assert out.status_code == 200


async def test_a_client_that_takes_the_caller_for_somebody_else_is_refused(
    start_gateway: StartGateway,
) -> None:
    def of(person: object) -> dict[str, str]:
        return {**OURS, EXPECTED_PERSON_HEADER: str(person)}

    async with start_gateway() as running:
        await sign_in(running)
        calls = [*WRITES, ("GET", "/api/tweets"), ("GET", "/api/export")]
        for method, path in calls:
            for someone_else in (PERSON + 1, "", "ann"):
                headers = of(someone_else)
                refused = await running.client.request(method, path, headers=headers)
                assert error(refused) == (409, "SessionChanged"), (path, someone_else)
        by_key = await running.client.post("/api/tweets", headers={**of(9), "api-key": KEY})
        assert error(by_key) == (409, "SessionChanged")
        assert running.tweets.requests == running.feed.requests == []

        for method, path in WRITES:
            accepted = await running.client.request(method, path, headers=of(PERSON))
            assert accepted.status_code == 200
        assert EXPECTED_PERSON_HEADER not in running.tweets.requests[-1]["headers"]
        out = await running.client.delete("/api/session", headers=of(9))
        assert out.status_code == 200


async def test_another_site_cannot_sign_anyone_in_or_out(start_gateway: StartGateway) -> None:
    async with start_gateway() as running:
        for headers in FROM_ELSEWHERE[1:]:
            for response in (
                await sign_in(running, **headers),
                await running.client.delete("/api/session", headers=headers),
            ):
                assert error(response) == (403, "CrossSiteRequest"), headers
                assert "set-cookie" not in response.headers

        assert running.users.requests == []


async def test_the_key_in_the_header_takes_precedence_over_the_cookie(
    start_gateway: StartGateway,
) -> None:
    async def owner(request: Request) -> Response:
        if request.url.path.endswith(hashlib.sha256(b"other").hexdigest()):
            return JSONResponse(OWNER | {"user_id": 9})
        if request.url.path.endswith(hashlib.sha256(b"wrong").hexdigest()):
            return JSONResponse({"result": False}, 404)
        return await owner_of_any_key(request)

    async with start_gateway(users=owner) as running:
        await sign_in(running)
        await running.client.get("/api/tweets", headers={"api-key": "other"})
        wrong = await running.client.get("/api/tweets", headers={"api-key": "wrong"})
        empty = await running.client.get("/api/tweets", headers={"api-key": ""})

        identity = running.feed.requests[-1]["headers"]["warble-identity"]
        assert Verifier(testing.PUBLIC_KEY, "feed").verify(identity).user_id == 9
        assert error(wrong) == error(empty) == (401, "NotSignedIn")


async def test_signing_out_twice_succeeds(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway() as running:
        await sign_in(running)
        for cookie in (running.client.cookies[COOKIE], "rubbish"):
            running.client.cookies.set(COOKIE, cookie, domain="gateway.local", path="/")
            out = await running.client.delete("/api/session")

            assert (out.status_code, out.json()) == (200, {"result": True})
            assert COOKIE not in running.client.cookies
        assert error(await running.client.get("/api/tweets")) == (401, "NotSignedIn")


async def test_a_malformed_sign_in_is_refused(start_gateway: StartGateway) -> None:
    contents = {
        '{"api_key": ""}': (401, "NotSignedIn"),
        json.dumps({"api_key": "x" * 201}): (401, "NotSignedIn"),
        "": (422, "InvalidRequest"),
        "{": (422, "InvalidRequest"),
        "[]": (422, "InvalidRequest"),
        '{"api_key": 1}': (422, "InvalidRequest"),
        '{"api_key": "\\ud800"}': (422, "InvalidRequest"),
        json.dumps({"api_key": "x" * 5000}): (413, "PayloadTooLarge"),
    }
    async with start_gateway() as running:
        for content, expected in contents.items():
            response = await running.client.post("/api/session", content=content)
            assert error(response) == expected, content

        assert running.users.requests == []


async def test_the_session_path_has_no_other_methods(start_gateway: StartGateway) -> None:
    async with start_gateway() as running:
        for method in ("GET", "PUT", "PATCH", "TRACE"):
            response = await running.client.request(method, "/api/session")
            assert error(response) == (405, "MethodNotAllowed")
            assert "POST" in response.headers["allow"]
