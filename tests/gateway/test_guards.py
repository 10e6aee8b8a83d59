"""What every answer tells a browser: whoever answers it, whatever it is, whether all went well."""

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .neighbours import Edge, Made, html, owner_of_any_key, refusal

GUARDS = {
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}
API = {
    **GUARDS,
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
KEY = {"api-key": "anything"}
ELSEWHERE = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
PICTURE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "public, max-age=31536000, immutable",
}
OF_THE_API = [
    ("GET", "/api/users/me", KEY, 200),
    ("POST", "/api/tweets", KEY, 200),
    ("GET", "/api/users/me", {}, 401),
    ("GET", "/api/users/none", KEY, 422),
    ("GET", "/api/nothing", KEY, 404),
    ("PUT", "/api/tweets", KEY, 405),
    ("DELETE", "/api/tweets/1", KEY, 404),
    ("GET", "/api/users/7/tweets", KEY, 502),
    ("POST", "/api/session", KEY, 422),
    ("DELETE", "/api/session", {}, 200),
    ("DELETE", "/api/session", ELSEWHERE, 403),
    ("GET", "/api/export", {}, 401),
    ("GET", "/api/erasures/7", KEY, 403),
    ("GET", "/health/live", {}, 200),
    ("GET", "/api", {}, 404),
    ("GET", "/no/such/page", {}, 404),
    ("POST", "/", {}, 405),
]
PAGES = ["/", "/docs", "/docs/start.js", "/docs/swagger-ui.css"]


async def users(request: Request) -> Response:
    if request.url.path.startswith("/api/users/none"):
        return JSONResponse({"result": False}, 422)
    return await owner_of_any_key(request)


async def tweets(request: Request) -> Response:
    if request.method == "DELETE":
        return await refusal(request)
    if request.url.path.endswith("/7/tweets"):
        return await html(request)
    return JSONResponse({"result": True}, headers={"warble-events": "tweets:1"})


async def feed(request: Request) -> Response:
    kept = {"cache-control": "private, no-cache", "etag": '"1"'}
    return JSONResponse({"result": True}, headers=kept)


async def media(request: Request) -> Response:
    if request.url.path == "/uploads/gone.webp":
        return await refusal(request)
    return Response(b"...", media_type="image/webp", headers=PICTURE)


async def asked(it: Edge, method: str, path: str, **headers: str) -> httpx.Response:
    return await it.client.request(method, path, headers=headers)


def assert_said_once(answer: httpx.Response, wanted: dict[str, str]) -> None:
    for name, value in wanted.items():
        assert answer.headers.get_list(name) == [value], name


@pytest.mark.parametrize(("method", "path", "headers", "status"), OF_THE_API)
async def test_an_answer_of_the_api_is_nothing_else_and_for_nobody_else(
    edge: Made, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    async with edge(users=users, tweets=tweets, feed=tweets) as it:
        answer = await asked(it, method, path, **headers)
        by_https = await asked(it, method, f"https://gateway{path}", **headers)

        assert (answer.status_code, by_https.status_code) == (status, status)
        assert_said_once(answer, API)
        assert "strict-transport-security" not in answer.headers
        assert_said_once(by_https, {**API, "strict-transport-security": "max-age=31536000"})


async def test_what_a_service_says_of_its_answer_stands(edge: Made) -> None:
    async with edge(feed=feed, media=media) as it:
        page = await asked(it, "GET", "/api/tweets", **KEY)
        picture = await asked(it, "GET", "https://gateway/uploads/there.webp")
        gone = await asked(it, "GET", "/uploads/gone.webp")

        assert_said_once(page, {**API, "cache-control": "private, no-cache"})
        assert_said_once(picture, {**PICTURE, "strict-transport-security": "max-age=31536000"})
        assert_said_once(gone, API)


@pytest.mark.parametrize("path", PAGES)
async def test_what_is_a_page_is_guarded_too(edge: Made, path: str) -> None:
    async with edge() as it:
        answer = await asked(it, "GET", path)
        by_https = await asked(it, "GET", f"https://gateway{path}")

        assert answer.status_code == 200
        assert_said_once(answer, GUARDS)
        assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert_said_once(by_https, {"strict-transport-security": "max-age=31536000"})
        if answer.headers["content-type"].startswith("text/html"):
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"
            assert "camera=()" in answer.headers["permissions-policy"]


async def test_no_other_origin_is_let_in(edge: Made) -> None:
    preflight = {
        **ELSEWHERE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "api-key, content-type",
        "access-control-request-private-network": "true",
    }
    async with edge(users=users, tweets=tweets, media=media) as it:
        for path in ("/api/tweets", "/api/session", "/api/export", "/uploads/x.webp", "/docs", "/"):
            for method, headers in (
                ("OPTIONS", preflight),
                ("GET", {**ELSEWHERE, **KEY}),
                ("POST", {**ELSEWHERE, **KEY}),
            ):
                answer = await asked(it, method, path, **headers)
                opened = [name for name in answer.headers if name.startswith("access-control-")]
                assert opened == [], (method, path)
                assert method != "OPTIONS" or answer.status_code == 405


async def test_every_cookie_is_out_of_reach_of_scripts_other_sites_and_the_open_network(
    edge: Made,
) -> None:
    async with edge(tweets=tweets) as it:
        for scheme in ("http", "https"):
            signed_in = await it.client.post(
                f"{scheme}://gateway/api/session", json={"api_key": "anything"}
            )
            signed_out = await asked(it, "DELETE", f"{scheme}://gateway/api/session")
            wrote = await asked(it, "POST", f"{scheme}://gateway/api/tweets", **KEY)
            for answer in (signed_in, signed_out, wrote):
                (cookie,) = answer.headers.get_list("set-cookie")
                said = set(cookie.lower().split("; ")[1:])
                assert {"httponly", "samesite=strict"} < said
                assert ("secure" in said) == (scheme == "https"), cookie
                assert not any(part.startswith("domain") for part in said)
