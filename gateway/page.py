"""The web page: a built single-page app from a folder, or a plain page that says what this is."""

import os
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from chassis.errors import MethodNotAllowed, NotFound

INDEX = "index.html"

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
<p>This address answers the API below <code>/api</code>, with the header <code>api-key</code>.
Every call is described and can be tried in <a href="/docs">the documentation</a>.</p>
</main>
</body>
</html>
"""


def router(folder: Path | None) -> APIRouter:
    """What answers every path that nothing else does."""
    router = APIRouter(include_in_schema=False)
    root = folder.resolve() if folder else None

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def page(request: Request, path: str) -> Response:
        if root is not None:
            return _file(root, path)
        if path:
            raise NotFound
        return HTMLResponse(_PLAIN)

    @router.api_route("/{path:path}", methods=["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def no_page(path: str) -> Response:
        raise MethodNotAllowed

    return router


def _file(root: Path, path: str) -> Response:
    """A file of the app, or its index, which draws the pages that it knows by their paths."""
    if "\0" in path:
        raise NotFound
    found = Path(os.path.realpath(root / path))
    if found.is_relative_to(root) and found.is_file() and found.name != INDEX:
        return FileResponse(found, headers={"x-content-type-options": "nosniff"})
    index = root / INDEX
    if not index.is_file():
        raise NotFound
    return FileResponse(index, headers={"cache-control": "no-cache"})
