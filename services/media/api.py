"""The HTTP routes of media: they translate requests and responses. No SQL and no rules here."""

from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from fastapi.responses import Response, StreamingResponse
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from chassis.auth.identity import IDENTITY_HEADER, SignedIn
from chassis.database.session import request_transaction
from chassis.http import etags
from chassis.http.errors import (
    InvalidRequest,
    Problem,
    ServiceUnavailable,
    problem_response,
    responses,
)
from chassis.http.paging import MAX_ID

from . import byte_ranges, commands, queries
from .decoder_process import MEMORY_BYTES, Decoder, DecoderBusy
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

MAX_IDS = 100
MAX_FIELD_BYTES = 16 * 1024
"""For a field of the form. Decoding some of the encodings that a form may declare takes time
quadratic in the length."""

UPLOADS_REFUSED = Counter(
    "warble_media_uploads_refused_total", "Uploads that were refused, by reason.", ["reason"]
)

log = structlog.get_logger()

router = APIRouter(tags=["media"], route_class=UploadRoute)
internal = APIRouter(prefix="/internal", include_in_schema=False)


class MediaResponse(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True, "media_id": 12}]})

    result: Literal[True] = True
    media_id: int
    first_frame_only: Literal[True] | None = Field(
        None,
        description="Present if the upload is an animated PNG: only its first frame is used.",
    )


@router.post(
    "/api/medias",
    status_code=201,
    summary="Upload a picture",
    form_limits={"max_files": 5, "max_fields": 20, "max_part_size": MAX_FIELD_BYTES},
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
            description="What the picture shows, for people who cannot see it."
            f" At most {commands.MAX_ALT_LENGTH} characters."
        ),
    ] = "",
) -> MediaResponse:
    """Accepts JPEG, PNG, WebP and GIF. The format is detected from the content, so the part `file`
    needs no file name. Metadata such as the location is removed. An animated PNG becomes its first
    frame. Attach the picture to a tweet by its `media_id`: a picture that is not attached to a
    tweet is deleted after a day, unless the operator sets another time."""
    storage: Storage = request.app.state.storage
    alt = commands.clean_alt(alt)
    picture = await _decode_upload(file, identity.user_id, request)
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
        # If the connection breaks during the commit, the record may exist or not. Then the objects
        # stay, and the sweep removes them a day later if no record names them.
        for name in () if recorded else stored:
            await _remove(storage, name)
        raise
    return MediaResponse(media_id=media_id, first_frame_only=picture.first_frame_only or None)


async def _remove(storage: Storage, name: str) -> None:
    try:
        await storage.remove(name)
    except ServiceUnavailable:
        log.warning("object.left_for_sweep", name=name)


async def _decode_upload(file: UploadFile, person_id: int, request: Request) -> Picture:
    settings: Settings = request.app.state.settings
    decoder: Decoder = request.app.state.decoder
    try:
        async with decoder.slot(person_id):
            if file.size and file.size > settings.max_upload_bytes:
                raise LimitExceeded("bytes", settings.max_upload_bytes, file.size)
            return await decoder.clean(await file.read())
    except (NotAPicture, LimitExceeded, BudgetExceeded, DecoderBusy) as error:
        problem = _problem_for(error, decoder.limits)
        UPLOADS_REFUSED.labels(type(problem).__name__).inc()
        raise problem from error


def _problem_for(error: Exception, limits: Limits) -> Problem:
    match error:
        case LimitExceeded("bytes", limit, actual):
            return ImageTooLarge(limit, actual)
        case LimitExceeded("pixels", limit, actual):
            return ImageTooManyPixels(limit, actual)
        case LimitExceeded("frames", limit, actual):
            return ImageTooManyFrames(limit, actual)
        case BudgetExceeded():
            return ImageTooCostly(MEMORY_BYTES, limits.seconds, limits.encoded_bytes)
        case DecoderBusy():
            return ServiceUnavailable()
        case _:
            return ImageNotAccepted()


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
    return _DownloadResponse(download, 206 if byte_range else 200, headers, file.content_type)


class _DownloadResponse(StreamingResponse):
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


class MediaRecord(BaseModel):
    id: int
    owner_id: int
    path: str
    thumbnail: str
    width: int
    height: int
    colour: str | None
    alt: str


class MediaRecords(BaseModel):
    media: list[MediaRecord]


async def _require_tweets(request: Request) -> None:
    """Checks that tweets made the request, with an identity that the gateway signed for it."""
    request.app.state.tweets_verifier.verify(request.headers.get(IDENTITY_HEADER, ""))


@internal.get("/media", dependencies=[Depends(_require_tweets)])
async def media_records(
    ids: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_ID)]],
        Query(min_length=1, max_length=MAX_IDS),
    ],
    request: Request,
) -> MediaRecords:
    async with request_transaction(request) as session:
        rows = await queries.media_by_ids(session, ids)
    return MediaRecords(
        media=[
            MediaRecord(
                id=media.id,
                owner_id=media.owner_id,
                path=media.path,
                thumbnail=media.thumbnail_path,
                width=media.width,
                height=media.height,
                colour=media.colour,
                alt=media.alt,
            )
            for media in rows
        ]
    )
