"""HEAD has the status and headers of GET, and no body (RFC 9110, 9.3.2)."""

import json
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import gateway
from gateway.settings import SERVICES

from .fake_services import OWNER, StartGateway

CONTRACT = json.loads((Path(gateway.__path__[0]) / "openapi.json").read_text())
READ = [
    path
    for path, operations in CONTRACT["paths"].items()
    # A GET that redirects begins or ends a sign-on, which a HEAD must not do.
    if "get" in operations and "303" not in operations["get"]["responses"]
]
PAGES = ["/", "/docs", "/docs/start.js", "/docs/swagger-ui.css", "/openapi.json", "/health/live"]
KEY = {"api-key": "anything"}


async def any_service(request: Request) -> Response:
    if request.url.path.startswith("/internal/keys/"):
        return JSONResponse(OWNER | {"scope": "admin"})
    if request.url.path.startswith("/internal/erasures/"):
        return JSONResponse({"state": "finished", "erased": 1} | dict.fromkeys(_MOMENTS))
    if request.url.path == "/internal/sign-on":
        return JSONResponse({"providers": [], "keys": True})
    return JSONResponse({"result": True, "tweets": []}, headers={"etag": '"1"'})


_MOMENTS = ("heard_at", "cleared_at", "finished_at")


async def test_head_has_the_headers_of_get_and_no_body(start_gateway: StartGateway) -> None:
    varying = {"x-request-id", "date", "ratelimit", "content-length"}
    async with start_gateway(**dict.fromkeys(SERVICES, any_service)) as running:
        for template in (*READ, *PAGES):
            path = re.sub(r"\{\w*id\}", "7", template).replace("{name}", "x.png")
            read = await running.client.get(path, headers=KEY)
            head = await running.client.head(path, headers=KEY)

            assert (read.status_code, head.status_code) == (200, 200), path
            assert {name: value for name, value in head.headers.items() if name not in varying} == {
                name: value for name, value in read.headers.items() if name not in varying
            }, path
            if "content-length" in read.headers:
                assert head.headers["content-length"] == read.headers["content-length"], path


async def test_a_head_request_reaches_the_service_as_get(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway(feed=any_service) as running:
        head = await running.client.head("/api/tweets", headers=KEY)

        assert head.content == b""
        assert [request["method"] for request in running.feed.requests] == ["GET"]


async def test_a_head_request_for_an_archive_packs_none(start_gateway: StartGateway) -> None:
    async with start_gateway() as running:
        head = await running.client.head("/api/export", headers=KEY)

        assert (head.status_code, head.headers["content-type"]) == (200, "application/zip")
        assert running.tweets.requests == running.media.requests == []
