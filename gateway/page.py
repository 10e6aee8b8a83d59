"""The web page: ours, another one from a folder, or a plain page that says what this is.

A page is a built single-page app: files, and an index that draws the pages it knows by their paths.
"""

import mimetypes
import os
from pathlib import Path, PurePosixPath

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.staticfiles import NotModifiedResponse

from chassis import etags
from chassis.errors import MethodNotAllowed, NotFound

from .settings import Settings

OURS = Path(__file__).parents[1] / "web" / "dist"
INDEX = "index.html"
_HASHED = "assets"
"""The folder of our page whose files are named after their content."""


class PagePath(PathConvertor):
    """Any path but those of the API, of the documentation and of operations. A path below these
    that nothing answers is 404 or 405: a client of the API must not get the page's HTML."""

    regex = r"(?!/*(?:api|docs|health|internal|metrics|openapi\.json|uploads)(?:/|$)).*"


register_url_convertor("page", PagePath())

_ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""What files are compressed with ahead, the smaller first."""

HEADERS = {
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
}
"""What a page says beside what every answer does."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types svelte-trusted-html"
)
_PLAIN_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)

_PLAIN = """<!doctype html>
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
    """Answers every path of a page. Its routes come after all others."""
    router = APIRouter(include_in_schema=False)
    folder = Path(os.path.realpath(settings.web_dir or OURS))
    hashed = None if settings.web_dir else folder / _HASHED
    policy = settings.web_policy if settings.web_dir else _POLICY
    headers = {**HEADERS, "content-security-policy": policy} if policy else HEADERS

    @router.api_route("/{path:page}", methods=["GET", "HEAD"])
    async def page(request: Request, path: str) -> Response:
        if not (folder / INDEX).is_file():
            if path:
                raise NotFound
            return HTMLResponse(
                _PLAIN, headers={**HEADERS, "content-security-policy": _PLAIN_POLICY}
            )
        file = _file(folder, path)
        response = _compressed(file, request.headers.get("accept-encoding", ""))
        response.headers.update(headers)
        is_hashed = hashed is not None and file.is_relative_to(hashed)
        response.headers["cache-control"] = (
            "public, max-age=31536000, immutable" if is_hashed else "no-cache"
        )
        if etags.matches(request.headers.get("if-none-match"), response.headers["etag"]):
            return NotModifiedResponse(response.headers)
        return response

    @router.api_route("/{path:page}", methods=["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def no_page(path: str) -> Response:
        raise MethodNotAllowed("GET, HEAD")

    return router


def _file(folder: Path, path: str) -> Path:
    """The file at this path, or the index where the path is one that the app itself may know.

    Raises NotFound for a file that is not there, and for one that is another's compressed form.
    """
    if "\0" in path:
        raise NotFound
    found = Path(os.path.realpath(folder / path))
    # Unlike Path.is_file, this takes a name that is too long for no file.
    if not found.is_relative_to(folder) or not os.path.isfile(found):
        if PurePosixPath(path).suffix:
            raise NotFound
        return folder / INDEX
    if found.suffix in _ENCODINGS.values() and found.with_suffix("").is_file():
        raise NotFound
    return found


def _compressed(file: Path, accepted: str) -> FileResponse:
    """The file in the smallest form that lies there and that the client takes."""
    kind = mimetypes.guess_type(file.name, strict=False)[0] or "application/octet-stream"
    vary = {"vary": "Accept-Encoding"}
    for encoding, suffix in _ENCODINGS.items():
        form = file.with_name(file.name + suffix)
        if _accepts(accepted, encoding) and form.is_file():
            response = FileResponse(form, 200, vary, kind, stat_result=form.stat())
            response.headers["content-encoding"] = encoding
            response.headers["etag"] = f'{response.headers["etag"][:-1]}-{encoding}"'
            return response
    return FileResponse(file, 200, vary, kind, stat_result=file.stat())


def _accepts(header: str, encoding: str) -> bool:
    """Whether an Accept-Encoding takes this encoding (RFC 9110, 12.5.3)."""
    weights: dict[str, bool] = {}
    for one in header.lower().split(","):
        name, _, weight = one.partition(";")
        weights[name.strip()] = not weight or weight.strip().removeprefix("q=").strip("0.") != ""
    return weights.get(encoding, weights.get("*", False))
