"""The API documentation: the OpenAPI document, and Swagger UI.

Swagger UI is served from an installed package, so that the documentation works without a network.
"""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from chassis.http.errors import NotFound

from .static_site import PAGE_HEADERS

_ASSETS = files("fastapi_swagger") / "resources"
_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_START_SCRIPT = """window.ui = SwaggerUIBundle({
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
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
"""Swagger UI sets inline styles on its elements, and runs only scripts from files."""

_METHODS = ["GET", "HEAD"]

_REVALIDATE = {"cache-control": "no-cache"}
"""A browser may keep a copy, and must ask each time whether it has changed."""


def router(contract: Path) -> APIRouter:
    """`contract` is the file of the OpenAPI document. It is large and rarely asked for, so it is
    not kept in memory."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/openapi.json", methods=_METHODS)
    async def openapi() -> FileResponse:
        return FileResponse(contract, media_type="application/json", headers=_REVALIDATE)

    @router.api_route("/docs", methods=_METHODS)
    async def docs() -> HTMLResponse:
        policy = {"content-security-policy": _CONTENT_SECURITY_POLICY}
        return HTMLResponse(_PAGE, headers={**PAGE_HEADERS, **_REVALIDATE, **policy})

    @router.api_route("/docs/start.js", methods=_METHODS)
    async def start() -> Response:
        return Response(_START_SCRIPT, media_type="text/javascript", headers=_REVALIDATE)

    @router.api_route("/docs/{name}", methods=_METHODS)
    async def asset(name: str) -> Response:
        if name not in _FILES:
            raise NotFound
        return FileResponse(str(_ASSETS / name), media_type=_FILES[name], headers=_REVALIDATE)

    return router
