"""The composition root of the gateway."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import app
from chassis.errors import ServiceUnavailable
from chassis.identity import Signer

from . import documentation, page
from .proxy import Proxy
from .routes import Routes
from .session import Keys
from .settings import SERVICES, Settings
from .upstream import Upstream

CONTRACT = Path(__file__).with_name("openapi.json")


class Edge:
    """The hot path goes to the proxy at once; what is asked for rarely, to an application."""

    def __init__(self, proxy: ASGIApp, application: ASGIApp) -> None:
        self._proxy = proxy
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and f"{scope['path']}/".startswith(("/api/", "/uploads/")):
            await self._proxy(scope, receive, send)
        else:
            await self._application(scope, receive, send)


def create_app() -> ASGIApp:
    settings = Settings()
    upstream = Upstream(settings)
    signer = Signer(settings.identity_private_key.get_secret_value())
    keys = Keys(settings, upstream, signer)
    contract: dict[str, Any] = json.loads(CONTRACT.read_text())

    @contextlib.asynccontextmanager
    async def live(application: FastAPI) -> AsyncIterator[None]:
        await upstream.start()
        hearing = asyncio.create_task(keys.hear_revocations())
        yield
        await app.end(hearing)
        await upstream.stop()

    async def service_answers(service: str) -> None:
        if not await upstream.ready(service):
            raise ServiceUnavailable

    async def revocations_heard() -> None:
        if not keys.hears_revocations:
            raise ServiceUnavailable

    checks: dict[str, app.Check] = {name: partial(service_answers, name) for name in SERVICES}
    application = app.frame(settings, "gateway", live, {**checks, "broker": revocations_heard})
    application.include_router(documentation.router(contract))
    application.include_router(page.router(settings.web_dir))
    return Edge(Proxy(settings, Routes(contract), keys, upstream, signer), application)
