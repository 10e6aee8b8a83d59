"""The picture of a person."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, UploadFile
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import Identity, SignedIn
from chassis.database.session import Transaction
from chassis.http.errors import InvalidRequest, responses
from chassis.http.models import Id, Ok

from .. import commands
from ..decoder_process import Decoder
from ..errors import (
    ImageNotAccepted,
    ImageTooCostly,
    ImageTooLarge,
    ImageTooManyFrames,
    ImageTooManyPixels,
    NotYourPicture,
    SquareNotAccepted,
)
from ..events import PicturePaths
from ..models import Portrait
from ..pictures import THUMBNAIL_EXTENSION, THUMBNAIL_TYPE, PortraitFiles, Square, SquareOutside
from ..storage import new_name
from ..upload_form import UploadRoute
from .uploads import FORM_LIMITS, decode_upload, store_objects

MAX_SIDE = 10_000_000
"""Pixels. libvips opens no picture with a longer side."""

router = APIRouter(tags=["media"], route_class=UploadRoute)


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
    form_limits=FORM_LIMITS,
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

    files = await decode_upload(file, identity.user_id, request, decode)
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
    picture = await store_objects(
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
