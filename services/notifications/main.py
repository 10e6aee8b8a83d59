"""Composes the three processes of the notifications: api, worker and stream."""

from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from chassis.privacy import erasure
from chassis.process import app, worker

from . import api
from .handlers import subscriptions
from .jobs import delete_old_notices
from .privacy import eraser
from .settings import Settings


def create_app() -> FastAPI:
    return app.create(Settings(), api.router, erasure.router)


def create_worker() -> FastAPI:
    return worker.create(
        Settings(), subscriptions, publishes=False, jobs=[eraser.job, delete_old_notices]
    )


def create_stream() -> ASGIApp:
    return PlainTextResponse("", status_code=404)
