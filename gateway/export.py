"""A person takes along what is theirs: one archive, packed while it is sent.

Each service gives its lists, media the pictures too; here they become files of a ZIP. Nothing is
whole in memory: a chunk comes from a service, is packed, and goes out.
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

from chassis.errors import BadGateway, Problem, ServiceUnavailable, responses
from chassis.identity import HEADER, Identity, Signer
from chassis.telemetry import onward

from .callers import Caller
from .upstream import Answer, Upstream

PATH = "/api/export"
MOST = 8
"""Archives that one gateway packs at once."""
LONGEST_SECONDS = 3600
"""Whoever has not taken the archive by then begins anew."""

LISTS = {
    "users": ("profile", "following", "followers", "keys", "sessions"),
    "tweets": ("tweets", "likes"),
    "media": ("pictures",),
}
_PICTURES = "pictures"
_MEDIA_TYPE = "application/zip"

Chunks = AsyncGenerator[bytes, None]


class ExportUnderWay(Problem):
    status = 409
    message = "Your archive is being packed already: wait until it is here."


router = APIRouter(tags=["users"])
"""`app.state.upstream`, `app.state.signer` and `app.state.exporting` are the gateway's."""


class _Archive(StreamingResponse):
    """Lets the next one of the same person's begin when this one ends, however it does."""

    def __init__(self, first: bytes, rest: Chunks, exporting: set[int], user_id: int) -> None:
        async def content() -> Chunks:
            yield first
            async for chunk in rest:
                yield chunk
            # Before the last bytes go out: the person may ask again as soon as they have them.
            exporting.discard(user_id)

        super().__init__(content(), media_type=_MEDIA_TYPE, headers=_headers(user_id))
        self._rest = rest
        self._exporting = exporting
        self._user_id = user_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await super().__call__(scope, receive, send)
        finally:
            self._exporting.discard(self._user_id)
            await self._rest.aclose()


@router.head(PATH, include_in_schema=False)
@router.get(
    PATH,
    summary="All that is one's own, as an archive",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A ZIP of JSON files, one for each kind of thing, and the pictures",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        },
        **responses(ExportUnderWay),
    },
)
async def export(identity: Caller, request: Request) -> Response:
    """Profile, followers and followed people, keys and sessions without their secrets, tweets,
    likes, and pictures with their descriptions. An archive that was cut off is incomplete: download
    it again."""
    if request.method == "HEAD":
        return Response(media_type=_MEDIA_TYPE, headers=_headers(identity.user_id))
    state = request.app.state
    exporting: set[int] = state.exporting
    if identity.user_id in exporting:
        raise ExportUnderWay
    if len(exporting) >= MOST:
        raise ServiceUnavailable
    exporting.add(identity.user_id)
    packing = _packed(Source(state.upstream, state.signer, identity))
    try:
        # A service that is away is still an error answer.
        first = await anext(packing)
    except BaseException:
        exporting.discard(identity.user_id)
        raise
    return _Archive(first, packing, exporting, identity.user_id)


def _headers(user_id: int) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="warble-{user_id}.zip"'}


class Source:
    """Where the content of an archive comes from, asked on the person's behalf."""

    def __init__(self, upstream: Upstream, signer: Signer, identity: Identity) -> None:
        self._upstream = upstream
        self._signer = signer
        self._identity = identity

    async def rows(self, service: str, name: str) -> Chunks:
        """A list as JSON. Raises what Upstream raises, and BadGateway."""
        headers = {HEADER: self._signer.token(self._identity, service), **onward()}
        answer = await self._upstream.ask(service, "GET", f"/internal/export/{name}", headers)
        if answer.response.status != 200:
            raise BadGateway
        async with aclosing(_content(answer)) as content:
            async for chunk in content:
                yield chunk

    async def picture(self, name: str) -> Chunks:
        """Nothing for one that was removed meanwhile."""
        answer = await self._upstream.ask("media", "GET", f"/uploads/{name}", onward())
        if answer.response.status not in (200, 404):
            raise BadGateway
        async with aclosing(_content(answer)) as content:
            async for chunk in content:
                if answer.response.status == 200:
                    yield chunk


async def _content(answer: Answer) -> Chunks:
    async with answer.response:
        if answer.body is not None:
            yield answer.body
            return
        async for chunk in answer.response.stream():
            yield chunk


class _Outlet(io.RawIOBase):
    """What has been packed and not been sent yet. That it cannot seek, the archive knows."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, packed: Any) -> int:
        self._held += packed
        return len(packed)

    def taken(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held


async def _packed(source: Source) -> Chunks:
    """The archive's bytes: the services' lists first, then the pictures that are listed."""
    outlet = _Outlet()
    names: list[str] = []
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        async for file, content in _files(source, names):
            async with aclosing(_file(archive, outlet, file, content)) as packed:
                async for chunk in packed:
                    yield chunk
    yield outlet.taken()


async def _files(source: Source, names: list[str]) -> AsyncGenerator[tuple[str, Chunks], None]:
    for service, lists in LISTS.items():
        for name in lists:
            rows = source.rows(service, name)
            yield f"{name}.json", _noting(rows, names) if name == _PICTURES else rows
    for name in names:
        yield f"pictures/{name}", source.picture(name)


async def _file(archive: zipfile.ZipFile, outlet: _Outlet, name: str, content: Chunks) -> Chunks:
    entry = None
    try:
        async with aclosing(content):
            async for chunk in content:
                entry = entry or archive.open(name, "w", force_zip64=True)
                # Packing a chunk takes a millisecond or two, in which others are served.
                await asyncio.to_thread(entry.write, chunk)
                if packed := outlet.taken():
                    yield packed
    finally:
        if entry is not None:
            entry.close()


async def _noting(rows: Chunks, names: list[str]) -> Chunks:
    """The same rows, one a line, and the names of the files that they tell of."""
    cut = b""
    async with aclosing(rows):
        async for chunk in rows:
            *lines, cut = (cut + chunk).split(b"\n")
            names += [json.loads(row)["file"] for line in lines if (row := line.strip(b"[],"))]
            yield chunk
