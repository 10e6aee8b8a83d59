"""Every response has the security headers, whoever makes it and whatever its status."""

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .fake_services import RunningGateway, StartGateway, html, owner_of_any_key, refusal

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
    caching = {"cache-control": "private, no-cache", "etag": '"1"'}
    return JSONResponse({"result": True}, headers=caching)


async def media(request: Request) -> Response:
    if request.url.path == "/uploads/gone.webp":
        return await refusal(request)
    return Response(b"...", media_type="image/webp", headers=PICTURE)


async def call(running: RunningGateway, method: str, path: str, **headers: str) -> httpx.Response:
    return await running.client.request(method, path, headers=headers)


def assert_has_once(response: httpx.Response, expected: dict[str, str]) -> None:
    for name, value in expected.items():
        assert response.headers.get_list(name) == [value], name


@pytest.mark.parametrize(("method", "path", "headers", "status"), OF_THE_API)
async def test_every_api_response_has_the_security_headers(
    start_gateway: StartGateway, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    async with start_gateway(users=users, tweets=tweets, feed=tweets) as running:
        response = await call(running, method, path, **headers)
        by_https = await call(running, method, f"https://gateway{path}", **headers)

        assert (response.status_code, by_https.status_code) == (status, status)
        assert_has_once(response, API)
        assert "strict-transport-security" not in response.headers
        assert_has_once(by_https, {**API, "strict-transport-security": "max-age=31536000"})


async def test_headers_that_a_service_sets_are_kept(start_gateway: StartGateway) -> None:
    async with start_gateway(feed=feed, media=media) as running:
        page = await call(running, "GET", "/api/tweets", **KEY)
        picture = await call(running, "GET", "https://gateway/uploads/there.webp")
        gone = await call(running, "GET", "/uploads/gone.webp")

        assert_has_once(page, {**API, "cache-control": "private, no-cache"})
        assert_has_once(picture, {**PICTURE, "strict-transport-security": "max-age=31536000"})
        assert_has_once(gone, API)


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_the_security_headers(start_gateway: StartGateway, path: str) -> None:
    async with start_gateway() as running:
        response = await call(running, "GET", path)
        by_https = await call(running, "GET", f"https://gateway{path}")

        assert response.status_code == 200
        assert_has_once(response, GUARDS)
        assert response.headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert_has_once(by_https, {"strict-transport-security": "max-age=31536000"})
        if response.headers["content-type"].startswith("text/html"):
            assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
            assert response.headers["cross-origin-opener-policy"] == "same-origin"
            assert "camera=()" in response.headers["permissions-policy"]


async def test_no_other_origin_can_read_a_response(start_gateway: StartGateway) -> None:
    preflight = {
        **ELSEWHERE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "api-key, content-type",
        "access-control-request-private-network": "true",
    }
    async with start_gateway(users=users, tweets=tweets, media=media) as running:
        for path in ("/api/tweets", "/api/session", "/api/export", "/uploads/x.webp", "/docs", "/"):
            for method, headers in (
                ("OPTIONS", preflight),
                ("GET", {**ELSEWHERE, **KEY}),
                ("POST", {**ELSEWHERE, **KEY}),
            ):
                response = await call(running, method, path, **headers)
                opened = [name for name in response.headers if name.startswith("access-control-")]
                assert opened == [], (method, path)
                assert method != "OPTIONS" or response.status_code == 405


async def test_every_cookie_is_httponly_samesite_and_secure_on_https(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway(tweets=tweets) as running:
        for scheme in ("http", "https"):
            signed_in = await running.client.post(
                f"{scheme}://gateway/api/session", json={"api_key": "anything"}
            )
            signed_out = await call(running, "DELETE", f"{scheme}://gateway/api/session")
            wrote = await call(running, "POST", f"{scheme}://gateway/api/tweets", **KEY)
            for response in (signed_in, signed_out, wrote):
                (cookie,) = response.headers.get_list("set-cookie")
                attributes = set(cookie.lower().split("; ")[1:])
                assert {"httponly", "samesite=strict"} < attributes
                assert ("secure" in attributes) == (scheme == "https"), cookie
                assert not any(part.startswith("domain") for part in attributes)
