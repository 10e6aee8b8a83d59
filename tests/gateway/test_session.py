"""A session in place of a key: its cookie, how it ends, and which requests may write with it."""

import hashlib
import json

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis import testing
from chassis.identity import Verifier
from gateway.keys import new_session_token
from gateway.session import COOKIE

from .neighbours import OWNER, Edge, Made, error, owner_of_any_key

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


async def sign_in(it: Edge, **headers: str) -> httpx.Response:
    return await it.client.post("/api/session", json={"api_key": KEY}, headers=headers)


async def test_a_session_stands_for_its_key_and_stays_with_us(edge: Made) -> None:
    async with edge() as it:
        signed_in = await sign_in(it)
        read = await it.client.get("/api/tweets")
        written = await it.client.post("/api/tweets", json={}, headers=OURS)

        assert signed_in.json() == {"result": True, "user_id": 7, "administrator": False}
        assert (read.status_code, written.status_code) == (200, 200)
        for neighbour in (it.feed, it.tweets):
            headers = neighbour.asked[-1]["headers"]
            service = "feed" if neighbour is it.feed else "tweets"
            identity = Verifier(testing.PUBLIC_KEY, service).identity(headers["warble-identity"])
            assert identity.user_id == 7
            assert not headers.keys() & {"cookie", "origin", "api-key"}
        asked = [(call["method"], call["target"].split("/")[2]) for call in it.users.asked]
        # Users is asked about the key, told of the session, and asked about it once.
        assert asked == [("GET", "keys"), ("POST", "sessions?"), ("GET", "sessions")]
        assert it.client.cookies[COOKIE] not in str(it.users.asked)


async def test_no_script_and_no_other_site_gets_at_the_cookie(edge: Made) -> None:
    async with edge() as it:
        plain = (await sign_in(it)).headers["set-cookie"].lower().split("; ")
        behind_tls = (await sign_in(it, origin="https://gateway")).headers["set-cookie"]
        by_https = await it.client.post("https://gateway/api/session", json={"api_key": KEY})

        assert set(plain[1:]) == {"httponly", "max-age=2592000", "path=/", "samesite=strict"}
        assert "; secure" in behind_tls.lower()
        assert "; secure" in by_https.headers["set-cookie"].lower()


async def test_a_session_that_users_knows_no_more_is_refused(edge: Made) -> None:
    active = True

    async def owner(request: Request) -> Response:
        if active:
            return await owner_of_any_key(request)
        return JSONResponse({"result": False, "error_type": "SessionEnded"}, 404)

    async with edge(users=owner) as it:
        await sign_in(it)
        before = await it.client.get("/api/tweets")
        active = False
        it.client._transport.app._proxy._keys.drop(7)  # type: ignore[attr-defined]
        after = await it.client.get("/api/tweets")

        assert before.status_code == 200
        assert error(after) == (401, "NotSignedIn")
        assert error(await sign_in(it)) == (401, "NotSignedIn")


async def test_users_is_not_asked_about_cookies_that_cannot_be_tokens(edge: Made) -> None:
    token = new_session_token()
    cookies = [token[:-1], token + "A", token[:-1] + "%", "", "!§$%", "a" * 10_000]
    async with edge() as it:
        for cookie in cookies:
            header = f"a=b; {COOKIE}={cookie}".encode("latin-1")
            answer = await it.client.get("/api/tweets", headers={b"cookie": header})
            assert error(answer) == (401, "NotSignedIn"), cookie
            out = await it.client.delete("/api/session", headers={b"cookie": header})
            assert out.status_code == 200, cookie

        assert it.users.asked == []
        well_formed = {"cookie": f"a=b; {COOKIE}={token}"}
        assert (await it.client.get("/api/tweets", headers=well_formed)).status_code == 200


async def test_signing_in_again_ends_the_session_before(edge: Made) -> None:
    async with edge() as it:
        await sign_in(it)
        first = it.client.cookies[COOKIE]
        await sign_in(it)

        assert it.client.cookies[COOKIE] != first
        digest = hashlib.sha256(first.encode()).hexdigest()
        assert it.users.asked[-1]["method"] == "DELETE"
        assert it.users.asked[-1]["target"].rstrip("?").endswith(digest)


async def test_a_failed_sign_out_is_said_and_keeps_the_cookie(edge: Made) -> None:
    async def users(request: Request) -> Response:
        if request.method == "DELETE":
            return JSONResponse({"result": False}, 500)
        return await owner_of_any_key(request)

    async with edge(users=users) as it:
        await sign_in(it)
        out = await it.client.delete("/api/session")

        assert error(out) == (502, "BadGateway")
        assert (await it.client.get("/api/tweets")).status_code == 200


async def test_another_site_writes_nothing_with_the_cookie(edge: Made) -> None:
    async with edge() as it:
        await sign_in(it)
        for headers in FROM_ELSEWHERE:
            for method, path in WRITES:
                write = await it.client.request(method, path, headers=headers)
                assert error(write) == (403, "CrossSiteRequest"), headers
            by_key = await it.client.post("/api/tweets", headers={**headers, "api-key": KEY})
            assert by_key.status_code == 200

        assert len(it.tweets.asked) == len(FROM_ELSEWHERE)


async def test_our_page_writes_with_the_cookie(edge: Made) -> None:
    async with edge() as it:
        for headers in FROM_OUR_PAGE:
            await it.client.post("/api/session", json={"api_key": KEY}, headers=headers)
            for method, path in WRITES:
                cookie = {"cookie": f"{COOKIE}={new_session_token()}"}
                write = await it.client.request(method, path, headers={**headers, **cookie})
                assert write.status_code == 200, headers
            out = await it.client.delete("/api/session", headers=headers)
            assert out.status_code == 200


async def test_another_site_signs_nobody_in_or_out(edge: Made) -> None:
    async with edge() as it:
        for headers in FROM_ELSEWHERE[1:]:
            for answer in (
                await sign_in(it, **headers),
                await it.client.delete("/api/session", headers=headers),
            ):
                assert error(answer) == (403, "CrossSiteRequest"), headers
                assert "set-cookie" not in answer.headers

        assert it.users.asked == []


async def test_the_key_in_the_header_wins_over_the_cookie(edge: Made) -> None:
    async def owner(request: Request) -> Response:
        if request.url.path.endswith(hashlib.sha256(b"other").hexdigest()):
            return JSONResponse(OWNER | {"user_id": 9})
        if request.url.path.endswith(hashlib.sha256(b"wrong").hexdigest()):
            return JSONResponse({"result": False}, 404)
        return await owner_of_any_key(request)

    async with edge(users=owner) as it:
        await sign_in(it)
        await it.client.get("/api/tweets", headers={"api-key": "other"})
        wrong = await it.client.get("/api/tweets", headers={"api-key": "wrong"})
        empty = await it.client.get("/api/tweets", headers={"api-key": ""})

        identity = it.feed.asked[-1]["headers"]["warble-identity"]
        assert Verifier(testing.PUBLIC_KEY, "feed").identity(identity).user_id == 9
        assert error(wrong) == error(empty) == (401, "NotSignedIn")


async def test_signing_out_takes_the_cookie_back_as_often_as_one_likes(edge: Made) -> None:
    async with edge() as it:
        await sign_in(it)
        for cookie in (it.client.cookies[COOKIE], "rubbish"):
            it.client.cookies.set(COOKIE, cookie, domain="gateway.local", path="/")
            out = await it.client.delete("/api/session")

            assert (out.status_code, out.json()) == (200, {"result": True})
            assert COOKIE not in it.client.cookies
        assert error(await it.client.get("/api/tweets")) == (401, "NotSignedIn")


async def test_what_is_no_key_is_refused(edge: Made) -> None:
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
    async with edge() as it:
        for content, expected in contents.items():
            answer = await it.client.post("/api/session", content=content)
            assert error(answer) == expected, content

        assert it.users.asked == []


async def test_a_session_is_only_begun_and_ended(edge: Made) -> None:
    async with edge() as it:
        for method in ("GET", "PUT", "PATCH", "TRACE"):
            answer = await it.client.request(method, "/api/session")
            assert error(answer) == (405, "MethodNotAllowed")
            assert "POST" in answer.headers["allow"]
