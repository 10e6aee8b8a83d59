"""Composes the stream process of notifications."""

from .settings import Settings
from .streaming import endpoint


def create_app() -> endpoint.StreamProcess:
    return endpoint.create(Settings())
