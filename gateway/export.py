"""A person's data as one ZIP archive, packed while it is sent.

Users, tweets, notifications and media return lists as JSON, and media the pictures; each becomes a
file of the archive. Nothing is held in memory completely: a chunk arrives from a service, is
compressed, and goes to the client. The archive begins only when the first service has answered, so
that a failure is still an error response. A failure after that cuts the archive off: it then lacks
its directory, and every program refuses to open it. See docs/adr/0023.
"""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from chassis.auth.identity import IDENTITY_HEADER, Identity, Signer
from chassis.http.errors import BadGateway, Problem, ServiceUnavailable, responses
from chassis.observability.request_context import propagation_headers

from .caller_dependencies import Caller
from .upstream import Upstream, UpstreamResponse

PATH = "/api/export"
MAX_CONCURRENT_EXPORTS = 8
"""Archives that one gateway packs at the same time, one per person."""
MAX_DURATION_SECONDS = 3600
"""A download that takes longer is cut off."""

LISTS = {
    "users": ("profile", "following", "followers", "keys", "sessions", "invitations", "identities"),
    "tweets": ("tweets", "likes", "tags", "reports", "acknowledgements", "pins"),
    "notifications": ("notifications",),
    "media": ("pictures", "portrait"),
}
"""The lists that each service exports at `/internal/export/{name}`."""
_WITH_FILES = LISTS["media"]
"""The lists whose rows name a picture each."""
_MEDIA_TYPE = "application/zip"

Chunks = AsyncGenerator[bytes, None]


class ExportUnderWay(Problem):
    status = 409
    message = "Your archive is already being downloaded. Wait until that download has finished."


router = APIRouter(tags=["users"])
"""Needs `app.state.credentials`, `upstream`, `signer`, `limits` and `exporting`: the ids of the
people whose archives are being packed."""


class _ArchiveResponse(StreamingResponse):
    """Removes the person from `exporting` at its end, also if the client disconnects."""

    def __init__(
        self, first_chunk: bytes, chunks: Chunks, exporting: set[int], user_id: int
    ) -> None:
        async def content() -> Chunks:
            yield first_chunk
            async for chunk in chunks:
                yield chunk
            # Before the last bytes go out: the person may ask again as soon as they have them.
            exporting.discard(user_id)

        super().__init__(content(), media_type=_MEDIA_TYPE, headers=_headers(user_id))
        self._chunks = chunks
        self._exporting = exporting
        self._user_id = user_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(MAX_DURATION_SECONDS):
                await super().__call__(scope, receive, send)
        finally:
            self._exporting.discard(self._user_id)
            await self._chunks.aclose()


@router.head(PATH, include_in_schema=False)
@router.get(
    PATH,
    summary="Download your own data",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A ZIP archive: one JSON file for each kind of data, and the pictures",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        },
        **responses(ExportUnderWay),
    },
)
async def export(identity: Caller, request: Request) -> Response:
    """The archive contains `profile.json`, `following.json`, `followers.json`, `keys.json`,
    `sessions.json` and `invitations.json` (without their secrets), `identities.json` (your linked
    accounts), `tweets.json`, `likes.json`, `tags.json` (the hashtags that you follow),
    `reports.json` (the reports that you made), `acknowledgements.json` (of announcements),
    `pins.json`, `notifications.json` (your settings, the threads that you follow or mute, and the
    people whom you watch), `pictures.json` with the descriptions, `portrait.json` (the picture of
    yourself), and the pictures in the folder `pictures`.

    The archive has no `Content-Length`, because it is packed while it is sent. If the download is
    interrupted, the file cannot be opened: download it again."""
    if request.method == "HEAD":
        return Response(media_type=_MEDIA_TYPE, headers=_headers(identity.user_id))
    state = request.app.state
    exporting: set[int] = state.exporting
    if identity.user_id in exporting:
        raise ExportUnderWay
    if len(exporting) >= MAX_CONCURRENT_EXPORTS:
        raise ServiceUnavailable
    exporting.add(identity.user_id)
    chunks = _zip_archive(ExportSource(state.upstream, state.signer, identity))
    try:
        # Waits for the first service, so that its failure is an error response.
        first_chunk = await anext(chunks)
    except BaseException:
        exporting.discard(identity.user_id)
        raise
    return _ArchiveResponse(first_chunk, chunks, exporting, identity.user_id)


def _headers(user_id: int) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="warble-{user_id}.zip"'}


class ExportSource:
    """Requests the content of an archive from the services, as the person whose it is."""

    def __init__(self, upstream: Upstream, signer: Signer, identity: Identity) -> None:
        self._upstream = upstream
        self._signer = signer
        self._identity = identity

    async def rows(self, service: str, name: str) -> Chunks:
        """A list as JSON. Raises what Upstream raises, and BadGateway."""
        headers = {
            IDENTITY_HEADER: self._signer.sign(self._identity, service),
            **propagation_headers(),
        }
        path = f"/internal/export/{name}"
        response = await self._upstream.request(service, "GET", path, headers)
        if response.http.status != 200:
            raise BadGateway
        async with aclosing(_content(response)) as content:
            async for chunk in content:
                yield chunk

    async def picture(self, name: str) -> Chunks:
        """Empty for a picture that was removed after it was listed."""
        path = f"/uploads/{name}"
        response = await self._upstream.request("media", "GET", path, propagation_headers())
        if response.http.status not in (200, 404):
            raise BadGateway
        async with aclosing(_content(response)) as content:
            async for chunk in content:
                if response.http.status == 200:
                    yield chunk


async def _content(response: UpstreamResponse) -> Chunks:
    async with response.http:
        if response.body is not None:
            yield response.body
            return
        async for chunk in response.http.stream():
            yield chunk


class _OutputBuffer(io.RawIOBase):
    """Holds compressed bytes until they are sent. `zipfile` sees that it cannot seek, and writes
    the sizes of an entry behind the entry."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, compressed: Any) -> int:
        self._buffer += compressed
        return len(compressed)

    def drain(self) -> bytes:
        content = bytes(self._buffer)
        self._buffer.clear()
        return content


async def _zip_archive(source: ExportSource) -> Chunks:
    """The archive's bytes: first the services' lists, then the pictures that are listed."""
    output = _OutputBuffer()
    names: list[str] = []
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        async for file, content in _files(source, names):
            async with aclosing(_compressed_file(archive, output, file, content)) as chunks:
                async for chunk in chunks:
                    yield chunk
    yield output.drain()


async def _files(
    source: ExportSource, names: list[str]
) -> AsyncGenerator[tuple[str, Chunks], None]:
    """The names and contents of the files. Collects the names of pictures in `names`."""
    for service, lists in LISTS.items():
        for name in lists:
            rows = source.rows(service, name)
            yield f"{name}.json", _collect_names(rows, names) if name in _WITH_FILES else rows
    for name in names:
        yield f"pictures/{name}", source.picture(name)


async def _compressed_file(
    archive: zipfile.ZipFile, output: _OutputBuffer, name: str, content: Chunks
) -> Chunks:
    entry = None
    try:
        async with aclosing(content):
            async for chunk in content:
                entry = entry or archive.open(name, "w", force_zip64=True)
                # Compressing a chunk takes a millisecond or two; a thread keeps the loop free.
                await asyncio.to_thread(entry.write, chunk)
                if compressed := output.drain():
                    yield compressed
    finally:
        if entry is not None:
            entry.close()


async def _collect_names(rows: Chunks, names: list[str]) -> Chunks:
    """Passes the rows on, and adds the file name of each to `names`. A row is one line."""
    incomplete = b""
    async with aclosing(rows):
        async for chunk in rows:
            *lines, incomplete = (incomplete + chunk).split(b"\n")
            names += [json.loads(row)["file"] for line in lines if (row := line.strip(b"[],"))]
            yield chunk
