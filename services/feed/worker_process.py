"""Composes the worker process of the feed."""

from fastapi import FastAPI

from chassis.process import worker

from . import search_index
from .handlers import subscriptions
from .privacy import eraser
from .settings import Settings


def create_app() -> FastAPI:
    return worker.create(
        Settings(), subscriptions, publishes=False, jobs=[eraser.job, search_index.fill]
    )
