"""HTTP in, HTTP out: no SQL, no rules."""

from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from fastapi.responses import Response, StreamingResponse
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from chassis import etags
from chassis.database import request_transaction
from chassis.errors import InvalidRequest, Problem, ServiceUnavailable, answer, responses
from chassis.identity import HEADER, SignedIn
from chassis.paging import MAX_ID

from . import commands, queries, ranges
from .decoding import MEMORY_BYTES, Busy, Decoding
from .errors import (
    AltNotAccepted,
    ImageNotAccepted,
    ImageTooCostly,
    ImageTooLarge,
    ImageTooManyFrames,
    ImageTooManyPixels,
    MediaNotFound,
    RangeNotSatisfiable,
)
from .forms import UploadRoute
from .pictures import (
    THUMBNAIL_EXTENSION,
    THUMBNAIL_TYPE,
    BudgetExceeded,
    LimitExceeded,
    Limits,
    NotAPicture,
    Picture,
)
from .settings import Settings
from .storage import Download, ObjectMissing, Storage, new_name

ASKED_AT_ONCE = 100
FIELD_BYTES = 16 * 1024
"""Of a form's field: some of the encodings that a form may name take the square of its length."""

REFUSED = Counter("warble_media_refused_total", "Uploads refused.", ["reason"])

log = structlog.get_logger()

router = APIRouter(tags=["media"], route_class=UploadRoute)
internal = APIRouter(prefix="/internal", include_in_schema=False)


class MediaAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True, "media_id": 12}]})

    result: Literal[True] = True
    media_id: int
    first_frame_only: Literal[True] | None = Field(
        None,
        description="Present when the upload is an animated PNG: only its first frame is kept.",
    )


@router.post(
    "/api/medias",
    status_code=201,
    summary="Upload a picture",
    form_limits={"max_files": 5, "max_fields": 20, "max_part_size": FIELD_BYTES},
    response_model_exclude_none=True,
    responses=responses(
        ImageTooLarge,
        ImageTooManyPixels,
        ImageTooManyFrames,
        ImageTooCostly,
        ImageNotAccepted,
        AltNotAccepted,
        InvalidRequest,
    ),
)
async def upload(
    file: UploadFile,
    identity: SignedIn,
    request: Request,
    alt: Annotated[
        str,
        Form(
            description="What the picture shows, for those who cannot see it:"
            f" at most {commands.ALT_LENGTH} characters."
        ),
    ] = "",
) -> MediaAnswer:
    """JPEG, PNG, WebP or GIF, recognized by its content: the part `file` needs no file name. An
    animated PNG becomes its first frame."""
    storage: Storage = request.app.state.storage
    alt = commands.described(alt)
    picture = await _cleaned(file, identity.user_id, request)
    name, thumbnail = new_name(picture.extension), new_name(THUMBNAIL_EXTENSION)
    stored: list[str] = []
    recorded = False
    try:
        await storage.put(name, picture.content, picture.content_type)
        stored.append(name)
        await storage.put(thumbnail, picture.thumbnail, THUMBNAIL_TYPE)
        stored.append(thumbnail)
        async with request_transaction(request) as session:
            media_id = await commands.record_upload(
                session, identity.user_id, name, thumbnail, picture, alt
            )
            recorded = True
    except Exception:
        # A commit whose answer is lost may have happened: then the sweep decides, a day later.
        for name in () if recorded else stored:
            await _remove(storage, name)
        raise
    return MediaAnswer(media_id=media_id, first_frame_only=picture.first_frame_only or None)


async def _remove(storage: Storage, name: str) -> None:
    try:
        await storage.remove(name)
    except ServiceUnavailable:
        log.warning("object.left_to_the_sweep", name=name)


async def _cleaned(file: UploadFile, person: int, request: Request) -> Picture:
    settings: Settings = request.app.state.settings
    decoding: Decoding = request.app.state.decoding
    try:
        async with decoding.turn(person):
            if file.size and file.size > settings.bytes:
                raise LimitExceeded("bytes", settings.bytes, file.size)
            return await decoding.clean(await file.read())
    except (NotAPicture, LimitExceeded, BudgetExceeded, Busy) as refusal:
        problem = _problem(refusal, decoding.limits)
        REFUSED.labels(type(problem).__name__).inc()
        raise problem from refusal


def _problem(refusal: Exception, limits: Limits) -> Problem:
    match refusal:
        case LimitExceeded("bytes", limit, actual):
            return ImageTooLarge(limit, actual)
        case LimitExceeded("pixels", limit, actual):
            return ImageTooManyPixels(limit, actual)
        case LimitExceeded("frames", limit, actual):
            return ImageTooManyFrames(limit, actual)
        case BudgetExceeded():
            return ImageTooCostly(MEMORY_BYTES, limits.seconds, limits.encoded_bytes)
        case Busy():
            return ServiceUnavailable()
        case _:
            return ImageNotAccepted()


_IMAGE = {
    "description": "The picture",
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in ("image/jpeg", "image/png", "image/webp", "image/gif")
    },
}


@router.head(
    "/uploads/{name}",
    summary="What is known of a picture",
    response_class=Response,
    responses={200: {"description": "The picture's headers"}},
)
@router.get(
    "/uploads/{name}",
    summary="A picture",
    response_class=Response,
    responses={
        200: _IMAGE,
        206: {**_IMAGE, "description": "The part that was asked for"},
        304: {"description": "The picture that the client has"},
        **responses(MediaNotFound, RangeNotSatisfiable),
    },
)
async def picture(name: str, request: Request) -> Response:
    """Needs no key. The name never stands for another picture: keep it for ever."""
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
    asked = request.headers.get("range") if request.method == "GET" else None
    if request.headers.get("if-range", etag) != etag:
        asked = None
    try:
        part = ranges.part(asked, file.size)
    except RangeNotSatisfiable as problem:
        refusal = answer(problem)
        refusal.headers["content-range"] = f"bytes */{file.size}"
        return refusal
    first, last = part or (0, file.size - 1)
    headers["content-length"] = str(last - first + 1)
    if part:
        headers["content-range"] = f"bytes {first}-{last}/{file.size}"
    if request.method == "HEAD":
        return Response(headers=headers, media_type=file.content_type)
    try:
        download = await request.app.state.storage.get(file.name, first, last - first + 1)
    except ObjectMissing as error:
        raise MediaNotFound from error
    return _Streamed(download, 206 if part else 200, headers, file.content_type)


class _Streamed(StreamingResponse):
    """Gives the connection to the store back however it ends, also when the client goes away."""

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


class MediaRecord(BaseModel):
    id: int
    owner_id: int
    path: str
    thumbnail: str
    width: int
    height: int
    alt: str


class MediaRecords(BaseModel):
    media: list[MediaRecord]


async def _person_of_tweets(request: Request) -> None:
    """The call comes from tweets, with the identity that the gateway signed for it."""
    request.app.state.neighbours.identity(request.headers.get(HEADER, ""))


@internal.get("/media", dependencies=[Depends(_person_of_tweets)])
async def records(
    ids: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_ID)]],
        Query(min_length=1, max_length=ASKED_AT_ONCE),
    ],
    request: Request,
) -> MediaRecords:
    async with request_transaction(request) as session:
        found = await queries.media_by_ids(session, ids)
    return MediaRecords(
        media=[
            MediaRecord(
                id=one.id,
                owner_id=one.owner_id,
                path=one.path,
                thumbnail=one.thumbnail_path,
                width=one.width,
                height=one.height,
                alt=one.alt,
            )
            for one in found
        ]
    )
