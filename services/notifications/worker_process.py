"""Composes the worker process of notifications."""

from fastapi import FastAPI

from chassis.process import worker

from .handlers import subscriptions
from .jobs import delete_old_notices
from .privacy import eraser
from .settings import Settings


def create_app() -> FastAPI:
    return worker.create(
        Settings(), subscriptions, publishes=False, jobs=[eraser.job, delete_old_notices]
    )
