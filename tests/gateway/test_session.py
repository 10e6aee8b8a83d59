"""A session in place of a key: what its cookie is worth, when it ends, who may write with it."""

import base64
import hashlib
import json
import secrets
import time

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis import testing
from chassis.identity import Verifier
from gateway.session import COOKIE, Sessions

from .neighbours import Edge, Made, error, owner_of_any_key

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


def sealed(private_key: str = testing.PRIVATE_KEY, days_ago: float = 0) -> str:
    digest = hashlib.sha256(KEY.encode()).digest()
    return Sessions(private_key, 30).sealed(digest, time.time() - days_ago * 86_400)


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
        assert len(it.users.asked) == 1
        assert KEY not in it.client.cookies[COOKIE]


async def test_no_script_and_no_other_site_gets_at_the_cookie(edge: Made) -> None:
    async with edge() as it:
        plain = (await sign_in(it)).headers["set-cookie"].lower().split("; ")
        behind_tls = (await sign_in(it, origin="https://gateway")).headers["set-cookie"]
        by_https = await it.client.post("https://gateway/api/session", json={"api_key": KEY})

        assert set(plain[1:]) == {"httponly", "max-age=2592000", "path=/", "samesite=strict"}
        assert "; secure" in behind_tls.lower()
        assert "; secure" in by_https.headers["set-cookie"].lower()


async def test_a_session_ends_with_its_key(edge: Made) -> None:
    there = True

    async def owner(request: Request) -> Response:
        if there:
            return await owner_of_any_key(request)
        return JSONResponse({"result": False}, 404)

    async with edge(users=owner) as it:
        await sign_in(it)
        before = await it.client.get("/api/tweets")
        there = False
        it.client._transport.app._proxy._keys.drop(7)  # type: ignore[attr-defined]
        after = await it.client.get("/api/tweets")

        assert before.status_code == 200
        assert error(after) == (401, "NotSignedIn")
        assert error(await sign_in(it)) == (401, "NotSignedIn")


def tampered(cookie: str) -> str:
    middle = len(cookie) // 2
    return cookie[:middle] + ("A" if cookie[middle] != "A" else "B") + cookie[middle + 1 :]


async def test_a_cookie_that_is_none_of_ours_signs_nobody_in(edge: Made) -> None:
    other = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    cookies = {
        "tampered": tampered(sealed()),
        "truncated": sealed()[:-8],
        "shorter than a nonce": sealed()[:8],
        "of another key": sealed(other),
        "expired": sealed(days_ago=30.1),
        "empty": "",
        "rubbish": "!§$%",
        "the digest itself": hashlib.sha256(KEY.encode()).hexdigest(),
    }
    async with edge() as it:
        for what, cookie in cookies.items():
            header = f"a=b; {COOKIE}={cookie}".encode("latin-1")
            for _ in range(2):
                answer = await it.client.get("/api/tweets", headers={b"cookie": header})
                assert error(answer) == (401, "NotSignedIn"), what

        assert it.users.asked == []
        fresh = {"cookie": f"a=b; {COOKIE}={sealed(days_ago=29.9)}"}
        assert (await it.client.get("/api/tweets", headers=fresh)).status_code == 200


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
                cookie = {"cookie": f"{COOKIE}={sealed()}"}
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
            return JSONResponse({"user_id": 9, "administrator": False})
        if request.url.path.endswith(hashlib.sha256(KEY.encode()).hexdigest()):
            return await owner_of_any_key(request)
        return JSONResponse({"result": False}, 404)

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
