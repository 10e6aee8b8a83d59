"""Uploading a picture for a tweet."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth.identity import SignedIn
from chassis.http.errors import InvalidRequest, responses

from .. import commands
from ..decoder_process import Decoder
from ..errors import (
    AltNotAccepted,
    ImageNotAccepted,
    ImageTooCostly,
    ImageTooLarge,
    ImageTooManyFrames,
    ImageTooManyPixels,
)
from ..pictures import THUMBNAIL_EXTENSION, THUMBNAIL_TYPE
from ..storage import new_name
from ..upload_form import UploadRoute
from .uploads import FORM_LIMITS, decode_upload, store_objects

router = APIRouter(tags=["media"], route_class=UploadRoute)


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
    form_limits=FORM_LIMITS,
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
    picture = await decode_upload(file, identity.user_id, request, decoder.clean)
    name, thumbnail = new_name(picture.extension), new_name(THUMBNAIL_EXTENSION)
    objects = {
        name: (picture.content, picture.content_type),
        thumbnail: (picture.thumbnail, THUMBNAIL_TYPE),
    }
    media_id = await store_objects(
        request,
        objects,
        lambda session: commands.record_upload(
            session, identity.user_id, name, thumbnail, picture, alt
        ),
    )
    return MediaResponse(media_id=media_id, first_frame_only=picture.first_frame_only or None)
