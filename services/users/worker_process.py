"""Composes the worker process of users."""

from fastapi import FastAPI

from chassis.process import worker

from .handlers import subscriptions
from .privacy import eraser
from .settings import Settings


def create_app() -> FastAPI:
    return worker.create(Settings(), subscriptions, jobs=[eraser.job])
