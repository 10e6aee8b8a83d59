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
from chassis.errors import NotFound, Problem, ServiceUnavailable
from chassis.health import Check
from chassis.identity import Signer
from chassis.loops import Loop, run_forever

from . import documentation, erasures, export, guards, page, session
from .exchange import refuse_unrouted
from .keys import Keys
from .limits import Guesses, Limits
from .proxy import Proxy
from .replicas import look_up_repeatedly
from .routes import Route, Routes
from .settings import SERVICES, Settings
from .sharing import Sharing
from .upstream import Upstream

CONTRACT = Path(__file__).with_name("openapi.json")
_OF_THE_CONTRACT = ("/api/", "/uploads/")
"""Below these, only what the contract names is answered."""
_ANYWHERE = ("/health/live",)
_INTERNAL = ("/health/", "/metrics")


class Edge:
    """Sends each request where it is answered: operations of the contract that a service answers go
    to the proxy, which is the hot path; all other requests go to the application.

    Operators' paths are answered at the internal address alone, and nothing else is answered there.
    """

    def __init__(
        self, internal_address: str, routes: Routes, proxy: ASGIApp, application: ASGIApp
    ) -> None:
        self.internal_address = internal_address
        """`chassis.serve` listens here too."""
        self._internal_port = int(internal_address.rpartition(":")[2])
        self._routes = routes
        self._proxy = proxy
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = None
        if scope["type"] == "http":
            try:
                route = self._route(scope)
            except Problem as problem:
                await refuse_unrouted(scope, send, problem)
                return
        if route is None:
            await self._application(scope, receive, guards.looked_over(scope, send))
        else:
            scope["route"] = route
            await self._proxy(scope, receive, send)

    def _route(self, scope: Scope) -> Route | None:
        """The operation that a service answers; None for what the application answers.

        Raises NotFound and MethodNotAllowed.
        """
        path: str = scope["path"]
        if path not in _ANYWHERE and self._is_internal(scope) != path.startswith(_INTERNAL):
            raise NotFound
        if not f"{path}/".startswith(_OF_THE_CONTRACT):
            return None
        route = self._routes.match(scope["method"], scope["raw_path"])
        return route if route.service in SERVICES else None

    def _is_internal(self, scope: Scope) -> bool:
        """By the socket that the request came to, which no header can change."""
        server = scope.get("server")
        return server is not None and server[1] == self._internal_port


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

    async def revocations_heard() -> None:
        if not keys.hears_revocations:
            raise ServiceUnavailable

    checks: dict[str, Check] = {name: partial(upstream.check, name) for name in SERVICES}
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
    proxy: ASGIApp = Proxy(settings, keys, upstream, signer, limits)
    if traces.on():
        proxy = traces.Requests(proxy, _template)
    return Edge(settings.internal_address, Routes(contract), proxy, application)


def _template(scope: Scope) -> str:
    route: Route = scope["route"]
    return route.template
