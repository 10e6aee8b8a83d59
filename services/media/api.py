"""The HTTP routes of media: they translate requests and responses. No SQL and no rules here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal, TypeVar

import structlog
from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from fastapi.responses import Response, StreamingResponse
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.types import Receive, Scope, Send

from chassis.auth.identity import IDENTITY_HEADER, Identity, SignedIn
from chassis.database.session import Transaction, request_transaction
from chassis.http import etags
from chassis.http.errors import (
    InvalidRequest,
    Problem,
    ServiceUnavailable,
    problem_response,
    responses,
)
from chassis.http.models import Id, Ok
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
    NotYourPicture,
    RangeNotSatisfiable,
    SquareNotAccepted,
)
from .events import PicturePaths
from .forms import UploadRoute
from .models import Portrait
from .pictures import (
    THUMBNAIL_EXTENSION,
    THUMBNAIL_TYPE,
    BudgetExceeded,
    LimitExceeded,
    Limits,
    NotAPicture,
    PortraitFiles,
    Square,
    SquareOutside,
)
from .settings import Settings
from .storage import Download, ObjectMissing, Storage, new_name

MAX_IDS = 100
MAX_SIDE = 10_000_000
"""Pixels. libvips opens no picture with a longer side."""
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
    alt = commands.clean_alt(alt)
    decoder: Decoder = request.app.state.decoder
    picture = await _decode_upload(file, identity.user_id, request, decoder.clean)
    name, thumbnail = new_name(picture.extension), new_name(THUMBNAIL_EXTENSION)
    objects = {
        name: (picture.content, picture.content_type),
        thumbnail: (picture.thumbnail, THUMBNAIL_TYPE),
    }
    media_id = await _store(
        request,
        objects,
        lambda session: commands.record_upload(
            session, identity.user_id, name, thumbnail, picture, alt
        ),
    )
    return MediaResponse(media_id=media_id, first_frame_only=picture.first_frame_only or None)


T = TypeVar("T")


async def _store(
    request: Request,
    objects: Mapping[str, tuple[bytes, str]],
    record: Callable[[AsyncSession], Awaitable[T]],
) -> T:
    """Stores objects (content and media type by name), then records them in a transaction.

    Removes them again if a step fails.
    """
    storage: Storage = request.app.state.storage
    stored: list[str] = []
    recorded = False
    try:
        for name, (content, content_type) in objects.items():
            await storage.put(name, content, content_type)
            stored.append(name)
        async with request_transaction(request) as session:
            result = await record(session)
            recorded = True
        return result
    except Exception:
        # If the connection breaks during the commit, the record may exist or not. Then the objects
        # stay, and the sweep removes them a day later if no record names them.
        for name in () if recorded else stored:
            await _remove(storage, name)
        raise


async def _remove(storage: Storage, name: str) -> None:
    try:
        await storage.remove(name)
    except ServiceUnavailable:
        log.warning("object.left_for_sweep", name=name)


async def _decode_upload(
    file: UploadFile, person_id: int, request: Request, decode: Callable[[bytes], Awaitable[T]]
) -> T:
    settings: Settings = request.app.state.settings
    decoder: Decoder = request.app.state.decoder
    try:
        async with decoder.slot(person_id):
            if file.size and file.size > settings.max_upload_bytes:
                raise LimitExceeded("bytes", settings.max_upload_bytes, file.size)
            return await decode(await file.read())
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


class PictureResponse(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "picture": {
                        "small": "/uploads/Vb2xL9eQ4mZtN7aRcS1uKg.webp",
                        "medium": "/uploads/pD5nY8wF0sXhJ3dK6vGqTg.webp",
                        "large": "/uploads/cT9bM1rE7kWzU4fL2yHoPg.webp",
                    },
                }
            ]
        }
    )

    result: Literal[True] = True
    picture: PicturePaths


_Pixels = Annotated[
    int | None,
    Form(
        ge=0,
        le=MAX_SIDE,
        description="`x`, `y` and `size` choose a square of the picture, in pixels from the upper"
        " left corner of the upright picture. Without them it is the largest one at the centre.",
    ),
]


def _square(x: int | None, y: int | None, size: int | None) -> Square | None:
    if x is None and y is None and size is None:
        return None
    if x is None or y is None or not size:
        raise SquareNotAccepted
    return Square(x, y, size)


def _require_own(user_id: int, identity: Identity) -> None:
    if identity.user_id != user_id and not identity.administrator:
        raise NotYourPicture


@router.put(
    "/api/users/{id}/picture",
    summary="Change a person's picture (the person, or an administrator)",
    form_limits={"max_files": 5, "max_fields": 20, "max_part_size": MAX_FIELD_BYTES},
    responses=responses(
        NotYourPicture,
        ImageTooLarge,
        ImageTooManyPixels,
        ImageTooManyFrames,
        ImageTooCostly,
        ImageNotAccepted,
        SquareNotAccepted,
        InvalidRequest,
    ),
)
async def set_portrait(
    id: Id,
    file: UploadFile,
    identity: SignedIn,
    request: Request,
    x: _Pixels = None,
    y: _Pixels = None,
    size: _Pixels = None,
) -> PictureResponse:
    """Accepts what the upload of a picture accepts. A square of it is stored in three sizes, with
    sides of 48, 128 and 400 pixels at most, and replaces an earlier picture of the person."""
    _require_own(id, identity)
    square = _square(x, y, size)
    decoder: Decoder = request.app.state.decoder

    async def decode(raw: bytes) -> PortraitFiles:
        try:
            return await decoder.portrait(raw, square)
        except SquareOutside as error:
            raise SquareNotAccepted from error

    files = await _decode_upload(file, identity.user_id, request, decode)
    small, medium, large = (new_name(THUMBNAIL_EXTENSION) for _ in range(3))
    portrait = Portrait(
        user_id=id,
        small=small,
        small_size=len(files.small),
        medium=medium,
        medium_size=len(files.medium),
        large=large,
        large_size=len(files.large),
    )
    objects = {
        small: (files.small, THUMBNAIL_TYPE),
        medium: (files.medium, THUMBNAIL_TYPE),
        large: (files.large, THUMBNAIL_TYPE),
    }
    picture = await _store(
        request,
        objects,
        lambda session: commands.set_portrait(session, portrait, identity.user_id),
    )
    return PictureResponse(picture=picture)


@router.delete(
    "/api/users/{id}/picture",
    summary="Delete a person's picture (the person, or an administrator)",
    responses=responses(NotYourPicture),
)
async def delete_portrait(id: Id, identity: SignedIn, session: Transaction) -> Ok:
    """Idempotent."""
    _require_own(id, identity)
    await commands.delete_portrait(session, id, identity.user_id)
    return Ok()


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
