"""Composes the worker process of media."""

from fastapi import FastAPI

from chassis.process import worker

from . import jobs
from .handlers import subscriptions
from .privacy import eraser
from .settings import Settings
from .storage import Storage


def create_app() -> FastAPI:
    settings = Settings()
    storage = Storage(settings)
    application = worker.create(
        settings,
        subscriptions,
        jobs=[jobs.purge_removed, jobs.expire_unattached, jobs.sweep_orphans, eraser(storage).job],
        checks={"store": storage.check},
    )
    application.state.storage = storage
    return application
