"""Builds the gateway: the proxy, the application beside it, and what both need."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.auth.identity import Signer
from chassis.http.errors import NotFound, Problem, ServiceUnavailable
from chassis.observability import tracing
from chassis.process import app
from chassis.process.background_loops import Loop, run_forever
from chassis.process.direct_responses import DirectResponse
from chassis.process.health import Check
from chassis.task_cancellation import cancel_tasks

from . import (
    api_docs,
    erasure_progress,
    export,
    health_overview,
    invitations,
    security_headers,
    sessions,
    sign_on,
    static_site,
    stream_proxy,
)
from .credential_cache import CredentialCache
from .http_exchange import refuse_unrouted
from .limit_gossip import LimitGossip
from .limits import KeyGuessLimiter, RateLimits
from .proxy import Proxy
from .routes import Route, Routes
from .service_discovery import resolve_repeatedly
from .settings import SERVICES, Settings
from .stream_proxy import Streams
from .upstream import Upstream

CONTRACT = Path(__file__).with_name("openapi.json")
_CONTRACT_PREFIXES = ("/api/", "/uploads/")
"""Below these, a path that the contract does not name is not found."""
_INTERNAL_PREFIXES = ("/health/", "/metrics")
_FORWARDED = (*SERVICES, stream_proxy.SERVICE)
_ON_BOTH_PORTS = ("/health/live",)


class Dispatcher:
    """Sends each request to the proxy or to the FastAPI application.

    The proxy gets the operations of the contract that a service serves; this is the hot path.
    `Streams` gets the one whose response stays open. The application gets all other requests:
    sign-in, export, documentation, health, and the page. Paths for operators are served at the
    internal address only, and that address serves no others.
    """

    def __init__(
        self,
        internal_address: str,
        routes: Routes,
        proxy: Proxy,
        event_streams: Streams,
        application: ASGIApp,
    ) -> None:
        self.internal_address = internal_address
        """`chassis serve` reads this and listens here too."""
        self._internal_port = int(internal_address.rpartition(":")[2])
        self._routes = routes
        self._proxy = proxy
        self._traced_proxy: ASGIApp = proxy
        if tracing.is_enabled():
            self._traced_proxy = tracing.TracingMiddleware(proxy, _path_template)
        self._streams = event_streams
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
            await self._application(scope, receive, security_headers.add_missing(scope, send))
        else:
            scope["route"] = route
            is_stream = route.service == stream_proxy.SERVICE
            forward = self._streams if is_stream else self._traced_proxy
            await forward(scope, receive, send)

    def respond_directly(self, response: DirectResponse) -> bool:
        """See `chassis.process.direct_responses`."""
        if tracing.is_enabled():
            # The spans of a request need the context of a task.
            return False
        try:
            route = self._route(response.scope)
        except Problem:
            return False
        if route is None or route.service == stream_proxy.SERVICE:
            return False
        response.read_forwarded_headers()
        return self._proxy.respond_directly(response, route)

    async def drain(self) -> None:
        """`chassis serve` calls this when the process stops."""
        await self._streams.drain()

    def _route(self, scope: Scope) -> Route | None:
        """The route of an operation that a service serves; None for the application's requests.

        Raises NotFound and MethodNotAllowed.
        """
        path: str = scope["path"]
        is_internal_path = path.startswith(_INTERNAL_PREFIXES)
        if path not in _ON_BOTH_PORTS and self._is_internal(scope) != is_internal_path:
            raise NotFound
        if not f"{path}/".startswith(_CONTRACT_PREFIXES):
            return None
        route = self._routes.match(scope["method"], scope["raw_path"])
        return route if route.service in _FORWARDED else None

    def _is_internal(self, scope: Scope) -> bool:
        """Looks at the socket that accepted the request, which no header can change."""
        server = scope.get("server")
        return server is not None and server[1] == self._internal_port


def create_app() -> ASGIApp:
    settings = Settings()
    upstream = Upstream(settings)
    private_key = settings.identity_private_key.get_secret_value()
    signer = Signer(private_key)
    limits = RateLimits(settings)
    limit_gossip = LimitGossip(settings, limits.all())
    guesses = KeyGuessLimiter(limits.key_guesses)
    credentials = CredentialCache(settings, upstream, signer, guesses)
    event_streams = Streams(settings, credentials, signer, limits)
    contract: dict[str, Any] = json.loads(CONTRACT.read_text())

    loops: dict[str, Loop] = {
        "revocations": credentials.consume_revocations,
        "revocation gossip": credentials.gossip.run,
        "limits": limit_gossip.run,
        "replicas": partial(
            resolve_repeatedly, [*upstream.replicas.values(), event_streams.replicas]
        ),
        "streams": event_streams.close_ended_streams,
    }

    @contextlib.asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.create_task(run_forever(name, loop)) for name, loop in loops.items()]
        try:
            yield
        finally:
            await cancel_tasks(*running)
            upstream.close()

    async def check_broker() -> None:
        if not credentials.receives_revocations:
            raise ServiceUnavailable

    checks: dict[str, Check] = {name: partial(upstream.check, name) for name in SERVICES}
    checks |= {stream_proxy.SERVICE: event_streams.check, "broker": check_broker}
    application = app.base_app(settings, "gateway", lifespan, checks)
    application.state.credentials = credentials
    application.state.upstream = upstream
    application.state.signer = signer
    application.state.limits = limits
    application.state.guesses = guesses
    application.state.exporting = set()
    application.include_router(sessions.router)
    application.include_router(sign_on.router)
    application.include_router(invitations.router)
    application.include_router(erasure_progress.router)
    application.include_router(export.router)
    application.include_router(health_overview.router)
    application.include_router(api_docs.router(CONTRACT))
    application.include_router(static_site.router(settings))
    proxy = Proxy(settings, credentials, upstream, signer, limits)
    return Dispatcher(
        settings.internal_address, Routes(contract), proxy, event_streams, application
    )


def _path_template(scope: Scope) -> str:
    route: Route = scope["route"]
    return route.template
