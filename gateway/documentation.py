"""The contract for people: the document itself, and a page that reads it, with no other host."""

import json
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from chassis.errors import NotFound

from .page import HEADERS

_ASSETS = files("fastapi_swagger") / "resources"
_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_START = """window.ui = SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null,
  persistAuthorization: false, tryItOutEnabled: true,
});
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Warble: the API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
"""Swagger UI styles its own elements; it runs no script that is not a file."""

_METHODS = ["GET", "HEAD"]

_KEPT = {"cache-control": "no-cache"}
"""By browsers, which ask whether it has changed."""


def router(contract: dict[str, Any]) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    document = json.dumps(contract, ensure_ascii=False).encode()

    @router.api_route("/openapi.json", methods=_METHODS)
    async def openapi() -> Response:
        return Response(document, media_type="application/json", headers=_KEPT)

    @router.api_route("/docs", methods=_METHODS)
    async def docs() -> HTMLResponse:
        return HTMLResponse(_PAGE, headers={**HEADERS, **_KEPT, "content-security-policy": _POLICY})

    @router.api_route("/docs/start.js", methods=_METHODS)
    async def start() -> Response:
        return Response(_START, media_type="text/javascript", headers=_KEPT)

    @router.api_route("/docs/{name}", methods=_METHODS)
    async def asset(name: str) -> Response:
        if name not in _FILES:
            raise NotFound
        return FileResponse(str(_ASSETS / name), media_type=_FILES[name], headers=_KEPT)

    return router
