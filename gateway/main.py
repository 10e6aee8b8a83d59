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

from chassis import app, traces
from chassis.errors import Problem, ServiceUnavailable
from chassis.identity import Signer
from chassis.loops import Loop, run_forever

from . import documentation, erasures, export, guards, page, session
from .keys import Keys
from .limits import Guesses, Limits
from .proxy import Proxy
from .replicas import look_up_repeatedly
from .routes import Routes
from .settings import SERVICES, Settings
from .sharing import Sharing
from .upstream import Upstream

_OWN = (session.PATH, erasures.PREFIX, export.PATH)
"""Below `/api`, what the gateway answers by itself."""

CONTRACT = Path(__file__).with_name("openapi.json")


class Edge:
    """The hot path goes to the proxy at once; what is asked for rarely, to an application."""

    def __init__(self, proxy: ASGIApp, application: ASGIApp) -> None:
        self._proxy = proxy
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if f"{path}/".startswith(("/api/", "/uploads/")) and not path.startswith(_OWN):
            await self._proxy(scope, receive, send)
        else:
            await self._application(scope, receive, guards.looked_over(scope, send))


def create_app() -> ASGIApp:
    settings = Settings()
    upstream = Upstream(settings)
    private_key = settings.identity_private_key.get_secret_value()
    signer = Signer(private_key)
    limits = Limits(settings)
    sharing = Sharing(settings, limits.all())
    keys = Keys(settings, upstream, signer, Guesses(limits.guesses))
    contract: dict[str, Any] = json.loads(CONTRACT.read_text())

    loops: dict[str, Loop] = {
        "revocations": keys.hear_revocations,
        "limits": sharing.share,
        "replicas": partial(look_up_repeatedly, upstream.replicas.values()),
    }

    @contextlib.asynccontextmanager
    async def live(application: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.create_task(run_forever(name, loop)) for name, loop in loops.items()]
        try:
            yield
        finally:
            await app.end(*running)
            upstream.stop()

    async def service_answers(service: str) -> None:
        if not await upstream.ready(service):
            raise ServiceUnavailable

    async def revocations_heard() -> None:
        if not keys.hears_revocations:
            raise ServiceUnavailable

    checks: dict[str, app.Check] = {name: partial(service_answers, name) for name in SERVICES}
    application = app.frame(settings, "gateway", live, {**checks, "broker": revocations_heard})
    application.state.keys = keys
    application.state.upstream = upstream
    application.state.signer = signer
    application.state.limits = limits
    application.state.exporting = set()
    application.include_router(session.router)
    application.include_router(erasures.router)
    application.include_router(export.router)
    application.include_router(documentation.router(contract))
    application.include_router(page.router(settings))
    routes = Routes(contract)
    proxy: ASGIApp = Proxy(settings, routes, keys, upstream, signer, limits)
    if traces.on():
        proxy = traces.Requests(proxy, partial(_template, routes))
    return Edge(proxy, application)


def _template(routes: Routes, scope: Scope) -> str | None:
    try:
        return routes.match(scope["method"], scope["raw_path"]).template
    except Problem:
        return None
