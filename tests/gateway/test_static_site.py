"""What the gateway serves beside the API: the documentation, and a built page."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import gateway as gateway_package
from chassis import testing
from gateway import main, static_site

CONTRACT = json.loads((Path(gateway_package.__path__[0]) / "openapi.json").read_text())
FOREIGN = ("http://", "https://", "//cdn")
Gateway = Callable[..., httpx.AsyncClient]


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Gateway:
    def start(ours: Path | None = None, **settings: str | Path) -> httpx.AsyncClient:
        monkeypatch.setattr(static_site, "OWN_PAGE", ours or tmp_path / "not built")
        monkeypatch.setenv("GATEWAY_IDENTITY_PRIVATE_KEY", testing.PRIVATE_KEY)
        for name, value in settings.items():
            monkeypatch.setenv(f"GATEWAY_{name.upper()}", str(value))
        transport = httpx.ASGITransport(app=main.create_app())
        # httpx asks for compression by default.
        headers = {"accept-encoding": "identity"}
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)

    return start


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A built page with compressed files. `secret` lies outside of its folder."""
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "web"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>the app</title>")
    (folder / "index.html.br").write_bytes(b"index in brotli")
    (folder / "assets" / "app-1a2b.js").write_text("run()")
    (folder / "assets" / "app-1a2b.js.br").write_bytes(b"in brotli")
    (folder / "assets" / "app-1a2b.js.gz").write_bytes(b"in gzip")
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "pack.gz").write_bytes(b"a download")
    (folder / "out").symlink_to(tmp_path)
    return folder


async def raw(client: httpx.AsyncClient, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """The response, and its body still compressed."""
    async with client.stream("GET", path, headers=headers) as response:
        return response, b"".join([chunk async for chunk in response.aiter_raw()])


async def test_the_placeholder_page_links_to_the_documentation(gateway: Gateway) -> None:
    async with gateway() as client:
        page = await client.get("/")
        other = await client.get("/profile/1")

        assert '<a href="/docs">' in page.text
        assert "make up" in page.text
        assert (other.status_code, other.json()["error_type"]) == (404, "NotFound")


async def test_the_documentation_loads_nothing_from_other_hosts(gateway: Gateway) -> None:
    async with gateway() as client:
        page = await client.get("/docs")
        assert not any(host in page.text for host in FOREIGN)
        for part in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
            assert f"/docs/{part}" in page.text
            assert (await client.get(f"/docs/{part}")).status_code == 200
        document = (await client.get("/openapi.json")).json()
        assert document == CONTRACT


async def test_our_page_is_served_with_its_own_routes(gateway: Gateway, built: Path) -> None:
    async with gateway(ours=built) as client:
        index = await client.get("/")
        assert "the app" in index.text
        for path in ("/profile/7", "/people", "/index.html", "/assets"):
            assert (await client.get(path)).text == index.text, path
        head = await client.head("/profile/7")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == index.headers["content-length"]
        for path in ("/assets/app-old.js", "/favicon.ico"):
            response = await client.get(path)
            assert (response.status_code, response.json()["result"]) == (404, False), path
        assert (await client.get("/" + "x" * 5_000)).text == index.text
        posted = await client.post("/profile/7")
        assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/exports",
        "/api/export/",
        "/api/export/7",
        "/api/sessionx",
        "/api/session/",
        "/api/erasures/",
        "/api/erasures/7/",
        "/api/%73ession",
        "/%61pi/session",
        "//api/session",
        "/uploads",
        "/uploads/",
        "/uploads/x/y",
        "/internal",
        "/internal/keys/7",
        "/docs/",
        "/docs/x/y",
        "/openapi.json/",
        "/health",
        "/health/nothing",
        "/metrics/x",
    ],
)
async def test_unknown_paths_of_the_api_do_not_get_the_page(
    gateway: Gateway, built: Path, path: str
) -> None:
    async with gateway(ours=built) as client:
        for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
            response = await client.request(method, f"http://gateway{path}")

            assert response.status_code == 404, method
            if method != "HEAD":
                assert response.json()["error_type"] == "NotFound", method


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/session", {"DELETE", "POST"}),
        ("GET", "/api/session", {"DELETE", "POST"}),
        ("POST", "/api/export", {"GET", "HEAD"}),
        ("DELETE", "/api/erasures/7", {"GET", "HEAD"}),
        ("POST", "/docs", {"GET", "HEAD"}),
        ("DELETE", "/openapi.json", {"GET", "HEAD"}),
        ("POST", "/apiary", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_gets_the_allowed_methods(
    gateway: Gateway, built: Path, method: str, path: str, allowed: set[str]
) -> None:
    async with gateway(ours=built) as client:
        response = await client.request(method, path)

        assert (response.status_code, response.json()["error_type"]) == (405, "MethodNotAllowed")
        assert set(response.headers["allow"].split(", ")) == allowed


async def test_files_with_hashed_names_are_immutable(gateway: Gateway, built: Path) -> None:
    async with gateway(ours=built) as client:
        script = await client.get("/assets/app-1a2b.js")
        index, icon = await client.get("/"), await client.get("/icon.svg")

        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert index.headers["cache-control"] == icon.headers["cache-control"] == "no-cache"
        known = {"if-none-match": f'"x", W/{icon.headers["etag"]}'}
        again = await client.get("/icon.svg", headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == icon.headers["etag"]
        (built / "icon.svg").write_text("<svg>new</svg>")
        assert (await client.get("/icon.svg", headers=known)).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"in brotli"),
        ("gzip", "gzip", b"in gzip"),
        ("br;q=0, gzip;q=0.5", "gzip", b"in gzip"),
        ("*", "br", b"in brotli"),
        ("*, br; q=0.0", "gzip", b"in gzip"),
        ("gzip;q=0, *;q=0", None, b"run()"),
        ("identity", None, b"run()"),
        ("", None, b"run()"),
    ],
)
async def test_a_file_is_sent_in_the_smallest_accepted_encoding(
    gateway: Gateway, built: Path, accepted: str, encoding: str | None, body: bytes
) -> None:
    path = "/assets/app-1a2b.js"
    async with gateway(ours=built) as client:
        response, content = await raw(client, path, **{"accept-encoding": accepted})

        assert content == body
        assert response.headers.get("content-encoding") == encoding
        assert response.headers["content-type"] == "text/javascript; charset=utf-8"
        assert response.headers["vary"] == "Accept-Encoding"
        plain = await client.get(path)
        assert (response.headers["etag"] == plain.headers["etag"]) == (encoding is None)
        again = {"accept-encoding": accepted, "if-none-match": response.headers["etag"]}
        assert (await raw(client, path, **again))[0].status_code == 304


async def test_the_index_is_compressed_and_encoded_files_have_no_path(
    gateway: Gateway, built: Path
) -> None:
    async with gateway(ours=built) as client:
        _, index = await raw(client, "/profile/7", **{"accept-encoding": "br"})
        form = await client.get("/assets/app-1a2b.js.br")

        assert index == b"index in brotli"
        assert form.status_code == 404
        assert (await client.get("/pack.gz")).content == b"a download"


async def test_our_page_runs_only_its_own_scripts(gateway: Gateway, built: Path) -> None:
    async with gateway(ours=built, web_policy="default-src *") as client:
        for path in ("/", "/profile/7", "/icon.svg"):
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"].split("; ")
            assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} < {*policy}
            assert "unsafe" not in str(policy)
            assert "require-trusted-types-for 'script'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "access-control-allow-origin" not in headers
            assert "camera=()" in headers["permissions-policy"]


async def test_https_responses_have_hsts(gateway: Gateway, built: Path) -> None:
    async with gateway(ours=built) as client:
        by_tls = await client.get("https://gateway/")
        plain = await client.get("http://gateway/")

        assert by_tls.headers["strict-transport-security"] == "max-age=31536000"
        assert "strict-transport-security" not in plain.headers


async def test_another_page_is_served_with_its_own_policy(
    gateway: Gateway, built: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "assets").mkdir(parents=True)
    (other / "index.html").write_text("another app")
    (other / "assets" / "app.js").write_text("run()")
    async with gateway(ours=built, web_dir=other) as client:
        index = await client.get("/login")
        script = await client.get("/assets/app.js")

        assert index.text == "another app"
        assert "img-src 'self' https:" in index.headers["content-security-policy"]
        assert script.headers["cache-control"] == index.headers["cache-control"] == "no-cache"
    async with gateway(ours=built, web_dir=other, web_policy="") as client:
        assert "content-security-policy" not in (await client.get("/")).headers


@pytest.mark.parametrize("path", ["/out/secret", "/../secret", "/%2e%2e/secret", "/..%2fsecret"])
async def test_no_path_escapes_the_folder(gateway: Gateway, built: Path, path: str) -> None:
    async with gateway(ours=built) as client:
        url = httpx.URL("http://gateway").copy_with(raw_path=path.encode())
        response = await client.get(url)

        assert response.text != "secret"
