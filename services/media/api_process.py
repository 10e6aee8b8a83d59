"""Composes the api process of media."""

from fastapi import FastAPI

from chassis.auth.identity import Verifier
from chassis.privacy import export
from chassis.privacy.erasure import api as erasure_api
from chassis.process import app, event_backlog

from . import api
from .decoder_process import Decoder
from .handlers import subscriptions
from .pictures import Limits
from .privacy import EXPORT_LISTS
from .settings import Settings
from .storage import Storage

_FORM_OVERHEAD_BYTES = 2 * 1024 * 1024
"""For the rest of the form. It is more than the gateway allows, so the gateway refuses first."""

DECODE_CPU_SECONDS = 15
"""Three times the measured time of the slowest accepted upload: a WebP of 50 megapixels."""


def create_app() -> FastAPI:
    settings = Settings()
    storage = Storage(settings)
    application = app.create(
        settings,
        *api.routers,
        erasure_api.router,
        event_backlog.router(subscriptions),
        export.router(EXPORT_LISTS),
        checks={"store": storage.check},
        # The route checks the exact limits of a picture once it has read the form.
        max_body_bytes=settings.max_upload_bytes + _FORM_OVERHEAD_BYTES,
    )
    application.state.storage = storage
    application.state.tweets_verifier = Verifier(settings.identity_public_key, "tweets")
    limits = Limits(
        settings.max_upload_bytes, settings.max_pixels, settings.max_frames, DECODE_CPU_SECONDS
    )
    application.state.decoder = Decoder(limits, settings.decoder_processes)
    return application
