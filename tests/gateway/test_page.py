"""What is served beside the API: documentation with no other host, and any built page."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import gateway as gateway_package
from chassis import testing
from gateway import main

CONTRACT = json.loads((Path(gateway_package.__path__[0]) / "openapi.json").read_text())
FOREIGN = ("http://", "https://", "//cdn")


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Callable[..., httpx.AsyncClient]:
    def made(web_dir: Path | None = None) -> httpx.AsyncClient:
        monkeypatch.setenv("GATEWAY_IDENTITY_PRIVATE_KEY", testing.PRIVATE_KEY)
        if web_dir:
            monkeypatch.setenv("GATEWAY_WEB_DIR", str(web_dir))
        transport = httpx.ASGITransport(app=main.create_app())
        return httpx.AsyncClient(transport=transport, base_url="http://gateway")

    return made


@pytest.fixture
def web_dir(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "web"
    (folder / "js").mkdir(parents=True)
    (folder / "index.html").write_text("<title>the app</title>")
    (folder / "js" / "app.js").write_text("run()")
    (folder / "out").symlink_to(tmp_path)
    return folder


async def test_the_plain_page_leads_to_the_documentation(
    gateway: Callable[..., httpx.AsyncClient],
) -> None:
    async with gateway() as client:
        page = await client.get("/")
        other = await client.get("/profile/1")

        assert '<a href="/docs">' in page.text
        assert (other.status_code, other.json()["error_type"]) == (404, "NotFound")


async def test_the_documentation_asks_no_other_host(
    gateway: Callable[..., httpx.AsyncClient],
) -> None:
    async with gateway() as client:
        page = await client.get("/docs")
        assert not any(host in page.text for host in FOREIGN)
        for part in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
            assert f"/docs/{part}" in page.text
            assert (await client.get(f"/docs/{part}")).status_code == 200
        document = (await client.get("/openapi.json")).json()
        assert document == CONTRACT


async def test_a_built_app_is_served_with_its_own_routes(
    gateway: Callable[..., httpx.AsyncClient], web_dir: Path
) -> None:
    async with gateway(web_dir) as client:
        index = await client.get("/")
        script = await client.get("/js/app.js")

        assert "the app" in index.text
        assert index.headers["cache-control"] == "no-cache"
        assert script.text == "run()"
        assert "javascript" in script.headers["content-type"]
        assert (await client.get("/profile/1")).text == index.text
        for path in ("/api", "/api/nothing", "/uploads/x/y"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["result"]) == (404, False), path


@pytest.mark.parametrize("path", ["/out/secret", "/../secret", "/%2e%2e/secret", "/..%2fsecret"])
async def test_no_path_leads_out_of_the_folder(
    gateway: Callable[..., httpx.AsyncClient], web_dir: Path, path: str
) -> None:
    async with gateway(web_dir) as client:
        url = httpx.URL("http://gateway").copy_with(raw_path=path.encode())
        answer = await client.get(url)

        assert answer.text != "secret"
