"""The web page: Warble's own, another one from a folder, or a placeholder if none is built.

A page is a built single-page app: files, and an `index.html` that is served for every path that is
no file, because the app itself knows its paths.
"""

import mimetypes
import os
from pathlib import Path, PurePosixPath

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.staticfiles import NotModifiedResponse

from chassis.http import etags
from chassis.http.errors import MethodNotAllowed, NotFound

from .settings import Settings

OWN_PAGE = Path(__file__).parents[1] / "web" / "dist"
INDEX = "index.html"
_ASSETS = "assets"
"""The folder of Warble's own page whose file names contain a hash of the content."""


class PagePath(PathConvertor):
    """Any path except those of the API, the documentation and operations. An unknown path below
    these is 404 or 405: a client of the API must not get the page's HTML."""

    regex = r"(?!/*(?:api|docs|health|internal|metrics|openapi\.json|uploads)(?:/|$)).*"


register_url_convertor("page", PagePath())

_ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Encodings in which files are stored beside the original, the smaller first."""

PAGE_HEADERS = {
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
}
"""Headers of an HTML page, beside those of every response (`security_headers`)."""

_OWN_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types svelte-trusted-html service-worker"
)
_PLACEHOLDER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)

_PLACEHOLDER = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Warble</title>
<style>
:root { color-scheme: light dark; font: 18px/1.6 system-ui, sans-serif }
body { max-width: 34rem; margin: 16vh auto 0; padding: 0 1.5rem }
h1 { font-size: 2.6rem; line-height: 1.1; margin: 0 0 .5rem; letter-spacing: -.02em }
p { margin: .8rem 0 } a { color: #0b63ce } code { font-size: .9em }
@media (prefers-color-scheme: dark) { a { color: #7db4ff } }
</style>
</head>
<body>
<main>
<h1>Warble</h1>
<p>A micro-blogging service for one company: people post short texts with pictures, follow each
other, like, and read a feed in order of popularity.</p>
<p>The page for people is not built here yet: <code>make up</code> builds it.</p>
<p>This address answers the API below <code>/api</code>, with the header <code>api-key</code>.
Every call is described and can be tried in <a href="/docs">the documentation</a>.</p>
</main>
</body>
</html>
"""


def router(settings: Settings) -> APIRouter:
    """Include it after all other routers, because its routes match nearly every path."""
    router = APIRouter(include_in_schema=False)
    folder = Path(os.path.realpath(settings.web_dir or OWN_PAGE))
    assets = None if settings.web_dir else folder / _ASSETS
    policy = settings.web_policy if settings.web_dir else _OWN_PAGE_POLICY
    headers = {**PAGE_HEADERS, "content-security-policy": policy} if policy else PAGE_HEADERS

    @router.api_route("/{path:page}", methods=["GET", "HEAD"])
    async def page(request: Request, path: str) -> Response:
        if not (folder / INDEX).is_file():
            if path:
                raise NotFound
            return HTMLResponse(
                _PLACEHOLDER,
                headers={**PAGE_HEADERS, "content-security-policy": _PLACEHOLDER_POLICY},
            )
        file = _file(folder, path)
        response = _compressed(file, request.headers.get("accept-encoding", ""))
        response.headers.update(headers)
        is_hashed = assets is not None and file.is_relative_to(assets)
        response.headers["cache-control"] = (
            "public, max-age=31536000, immutable" if is_hashed else "no-cache"
        )
        if etags.matches(request.headers.get("if-none-match"), response.headers["etag"]):
            return NotModifiedResponse(response.headers)
        return response

    @router.api_route("/{path:page}", methods=["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def other_methods(path: str) -> Response:
        raise MethodNotAllowed("GET, HEAD")

    return router


def _file(folder: Path, path: str) -> Path:
    """The file at this path, or the index if the path has no suffix and so may be the app's.

    Raises NotFound for a file that does not exist, for the compressed form of another file, and
    for a path that leads out of the folder.
    """
    if "\0" in path:
        raise NotFound
    found = Path(os.path.realpath(folder / path))
    # Path.is_file raises for a name that is too long; os.path.isfile returns False.
    if not found.is_relative_to(folder) or not os.path.isfile(found):
        if PurePosixPath(path).suffix:
            raise NotFound
        return folder / INDEX
    if found.suffix in _ENCODINGS.values() and found.with_suffix("").is_file():
        raise NotFound
    return found


def _compressed(file: Path, accepted: str) -> FileResponse:
    """The file in the smallest encoding that exists and that the client accepts."""
    media_type = mimetypes.guess_type(file.name, strict=False)[0] or "application/octet-stream"
    vary = {"vary": "Accept-Encoding"}
    for encoding, suffix in _ENCODINGS.items():
        encoded = file.with_name(file.name + suffix)
        if _accepts(accepted, encoding) and encoded.is_file():
            response = FileResponse(encoded, 200, vary, media_type, stat_result=encoded.stat())
            response.headers["content-encoding"] = encoding
            response.headers["etag"] = f'{response.headers["etag"][:-1]}-{encoding}"'
            return response
    return FileResponse(file, 200, vary, media_type, stat_result=file.stat())


def _accepts(header: str, encoding: str) -> bool:
    """Whether an `Accept-Encoding` header allows this encoding (RFC 9110, 12.5.3)."""
    accepted: dict[str, bool] = {}
    for item in header.lower().split(","):
        name, _, weight = item.partition(";")
        accepted[name.strip()] = not weight or weight.strip().removeprefix("q=").strip("0.") != ""
    return accepted.get(encoding, accepted.get("*", False))
