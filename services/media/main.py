"""The composition root of media."""

from fastapi import APIRouter, FastAPI

from chassis import app, erasure, export, worker
from chassis.identity import Verifier

from . import api, exports, upkeep
from .decoding import Decoding
from .erasing import eraser
from .handlers import subscriptions
from .pictures import Limits
from .settings import Settings
from .storage import Storage

BODY_MARGIN = 2 * 1024 * 1024
"""What a form may hold beside the picture. It is more than the gateway lets through, whose refusal
has the one shape of errors; here a length that is declared too large is refused in plain text."""

DECODING_SECONDS = 15
"""Twice what the slowest within the limits took: a WebP that moves, 50 megapixels in all."""


def create_app() -> FastAPI:
    settings = Settings()
    storage = Storage(settings)
    # Beyond this a body is not read; what a picture may be is judged when it is here.
    router = APIRouter(max_body_size=settings.bytes + BODY_MARGIN)
    router.include_router(api.router)
    router.include_router(api.internal)
    application = app.create(
        settings,
        router,
        erasure.router,
        export.router(exports.LISTS),
        checks={"store": storage.check},
    )
    application.state.storage = storage
    application.state.neighbours = Verifier(settings.identity_public_key, "tweets")
    limits = Limits(settings.bytes, settings.pixels, settings.frames, DECODING_SECONDS)
    application.state.decoding = Decoding(limits, settings.decoders)
    return application


def create_worker() -> FastAPI:
    settings = Settings()
    storage = Storage(settings)
    application = worker.create(
        settings,
        subscriptions,
        jobs=[upkeep.purge, upkeep.expire, upkeep.sweep, eraser(storage).job],
        checks={"store": storage.check},
    )
    application.state.storage = storage
    return application
