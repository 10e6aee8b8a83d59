"""The composition root of media."""

from fastapi import FastAPI

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
"""For the rest of the form: more than the gateway lets through, so that its limit comes first."""

DECODING_SECONDS = 15
"""Three times what the slowest upload within the limits takes: 50 million pixels of WebP."""


def create_app() -> FastAPI:
    settings = Settings()
    storage = Storage(settings)
    application = app.create(
        settings,
        api.router,
        api.internal,
        erasure.router,
        export.router(exports.LISTS),
        checks={"store": storage.check},
        # What a picture may be is judged when it is here.
        body_bytes=settings.bytes + BODY_MARGIN,
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
