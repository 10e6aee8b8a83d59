"""Downloading a picture, whole or in part."""

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from chassis.database.session import request_transaction
from chassis.http import etags
from chassis.http.errors import problem_response, responses

from .. import byte_ranges, queries
from ..errors import MediaNotFound, RangeNotSatisfiable
from ..storage import Download, ObjectMissing

router = APIRouter(tags=["media"])

_PICTURE_RESPONSE = {
    "description": "The picture",
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in ("image/jpeg", "image/png", "image/webp", "image/gif")
    },
}


@router.head(
    "/uploads/{name}",
    summary="Get the headers of a picture",
    response_class=Response,
    responses={200: {"description": "The picture's headers"}},
)
@router.get(
    "/uploads/{name}",
    summary="Download a picture",
    response_class=Response,
    responses={
        200: _PICTURE_RESPONSE,
        206: {**_PICTURE_RESPONSE, "description": "The requested range of bytes"},
        304: {"description": "The client has the picture already"},
        **responses(MediaNotFound, RangeNotSatisfiable),
    },
)
async def picture(name: str, request: Request) -> Response:
    """Needs no key: the name is random and secret. The content of a name never changes, so clients
    can cache it for ever."""
    async with request_transaction(request) as session:
        file = await queries.file_by_name(session, name)
    etag = f'"{file.name}"'
    headers = {
        "etag": etag,
        "cache-control": "public, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-disposition": "inline",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "cross-origin-resource-policy": "same-origin",
    }
    if etags.matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    range_header = request.headers.get("range") if request.method == "GET" else None
    if request.headers.get("if-range", etag) != etag:
        range_header = None
    try:
        byte_range = byte_ranges.parse(range_header, file.size)
    except RangeNotSatisfiable as problem:
        response = problem_response(problem)
        response.headers["content-range"] = f"bytes */{file.size}"
        return response
    first, last = byte_range or (0, file.size - 1)
    headers["content-length"] = str(last - first + 1)
    if byte_range:
        headers["content-range"] = f"bytes {first}-{last}/{file.size}"
    if request.method == "HEAD":
        return Response(headers=headers, media_type=file.content_type)
    try:
        download = await request.app.state.storage.get(file.name, first, last - first + 1)
    except ObjectMissing as error:
        raise MediaNotFound from error
    return DownloadResponse(download, 206 if byte_range else 200, headers, file.content_type)


class DownloadResponse(StreamingResponse):
    """Always releases the connection to the store at the end, also if the client disconnects."""

    def __init__(
        self, download: Download, status: int, headers: dict[str, str], content_type: str
    ) -> None:
        super().__init__(download, status, headers, content_type)
        self._download = download

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._download.close()
