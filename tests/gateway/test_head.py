"""HEAD is answered wherever GET is: the same status and headers, and no body (RFC 9110, 9.3.2)."""

import json
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import gateway

from .neighbours import OWNER, Made

CONTRACT = json.loads((Path(gateway.__path__[0]) / "openapi.json").read_text())
READ = [path for path, operations in CONTRACT["paths"].items() if "get" in operations]
PAGES = ["/", "/docs", "/docs/start.js", "/docs/swagger-ui.css", "/openapi.json", "/health/live"]
KEY = {"api-key": "anything"}


async def any_service(request: Request) -> Response:
    if request.url.path.startswith("/internal/keys/"):
        return JSONResponse(OWNER | {"scope": "admin"})
    if request.url.path.startswith("/internal/erasures/"):
        return JSONResponse({"state": "finished", "erased": 1} | dict.fromkeys(_MOMENTS))
    return JSONResponse({"result": True, "tweets": []}, headers={"etag": '"1"'})


_MOMENTS = ("heard_at", "cleared_at", "finished_at")


@pytest.mark.parametrize("template", [*READ, *PAGES])
async def test_head_says_what_get_says_and_gives_no_body(edge: Made, template: str) -> None:
    path = template.replace("{id}", "7").replace("{name}", "x.png")
    services = ("users", "tweets", "media", "feed")
    async with edge(**dict.fromkeys(services, any_service)) as it:
        read = await it.client.get(path, headers=KEY)
        head = await it.client.head(path, headers=KEY)

    assert (read.status_code, head.status_code) == (200, 200)
    varying = {"x-request-id", "date", "ratelimit", "content-length"}
    assert {name: value for name, value in head.headers.items() if name not in varying} == {
        name: value for name, value in read.headers.items() if name not in varying
    }
    if "content-length" in read.headers:
        assert head.headers["content-length"] == read.headers["content-length"]


async def test_a_service_is_asked_by_get_and_its_body_goes_no_further(edge: Made) -> None:
    async with edge(feed=any_service) as it:
        head = await it.client.head("/api/tweets", headers=KEY)

        assert head.content == b""
        assert [asked["method"] for asked in it.feed.asked] == ["GET"]


async def test_the_head_of_an_archive_packs_none(edge: Made) -> None:
    async with edge() as it:
        head = await it.client.head("/api/export", headers=KEY)

        assert (head.status_code, head.headers["content-type"]) == (200, "application/zip")
        assert it.tweets.asked == it.media.asked == []
