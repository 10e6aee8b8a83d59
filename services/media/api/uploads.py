"""What every upload of a picture needs: it is decoded, its files are stored, then recorded."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import structlog
from fastapi import Request, UploadFile
from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import request_transaction
from chassis.http.errors import Problem, ServiceUnavailable

from ..decoder_process import MEMORY_BYTES, Decoder, DecoderBusy
from ..errors import (
    ImageNotAccepted,
    ImageTooCostly,
    ImageTooLarge,
    ImageTooManyFrames,
    ImageTooManyPixels,
)
from ..pictures import BudgetExceeded, LimitExceeded, Limits, NotAPicture
from ..settings import Settings
from ..storage import Storage

MAX_FIELD_BYTES = 16 * 1024
"""For a field of the form. Decoding some of the encodings that a form may declare takes time
quadratic in the length."""
FORM_LIMITS: Any = {"max_files": 5, "max_fields": 20, "max_part_size": MAX_FIELD_BYTES}

UPLOADS_REFUSED = Counter(
    "warble_media_uploads_refused_total", "Uploads that were refused, by reason.", ["reason"]
)

log = structlog.get_logger()

T = TypeVar("T")


async def decode_upload(
    file: UploadFile, person_id: int, request: Request, decode: Callable[[bytes], Awaitable[T]]
) -> T:
    """Decodes the file, one at a time for each person.

    Raises ImageNotAccepted and the other errors of `_problem_for`.
    """
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


async def store_objects(
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
