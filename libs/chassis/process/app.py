"""Builds the FastAPI application of a process.

`create` builds the api process of a service. `base_app` builds the part that every process has:
logs, error reports, traces, metrics, health checks, error responses and shutdown. The workers and
the gateway use it too.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.types import Scope

from chassis.auth.identity import Verifier
from chassis.database import clock
from chassis.database.session import Database
from chassis.http import body_limit, errors
from chassis.observability import (
    access_log,
    error_reporting,
    logging,
    metrics,
    request_context,
    tracing,
)
from chassis.process import health
from chassis.process.background_loops import Loop, run_forever
from chassis.process.direct_reads import DirectlyReadApplication, DirectReads
from chassis.process.direct_writes import DirectWrite
from chassis.process.health import Check
from chassis.settings import ProcessSettings, ServiceSettings
from chassis.task_cancellation import cancel_tasks

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create(
    settings: ServiceSettings,
    *routers: APIRouter,
    lifespan: Lifespan | None = None,
    checks: Mapping[str, Check] | None = None,
    max_body_bytes: int = body_limit.MAX_JSON_BYTES,
    larger_bodies: Mapping[str, int] = MappingProxyType({}),
    direct_reads: DirectReads[Any] | None = None,
    direct_writes: Iterable[DirectWrite] = (),
) -> FastAPI:
    """The api process of a service.

    Sets `app.state.database`, `app.state.settings` and `app.state.verifier`. `lifespan` opens and
    closes the service's own resources. `/health/status` runs `checks` in addition to the check of
    the database. `larger_bodies` has the limits of paths whose requests may be larger than
    `max_body_bytes`. `direct_reads` and the routes `direct_writes` come before those of the
    routers.
    """
    database = Database(settings)

    @asynccontextmanager
    async def service_lifespan(app: FastAPI) -> AsyncIterator[None]:
        await clock.synchronize(database)
        loops: dict[str, Loop] = {
            "clock": partial(clock.synchronize_periodically, database),
            "unused_connections": database.close_unused_connections,
        }
        running = [asyncio.create_task(run_forever(name, loop)) for name, loop in loops.items()]
        try:
            if lifespan is None:
                yield
            else:
                async with lifespan(app):
                    yield
        finally:
            await cancel_tasks(*running)
            await database.close()

    app = base_app(
        settings,
        "api",
        service_lifespan,
        {"database": database.check, **(checks or {})},
        ["database"],
    )
    app.add_middleware(body_limit.BodyLimit, max_bytes=max_body_bytes, larger=larger_bodies)
    app.state.database = database
    app.state.verifier = Verifier(settings.identity_public_key, settings.service)
    app.direct_reads = direct_reads
    app.router.routes[:0] = direct_writes
    for router in routers:
        app.include_router(router)
    return app


def base_app(
    settings: ProcessSettings,
    role: str,
    lifespan: Lifespan,
    checks: Mapping[str, Check],
    needed_at_start: Iterable[str] = (),
) -> DirectlyReadApplication:
    """An application with everything that all processes have in common.

    `role` is `api`, `worker`, `stream` or `gateway`. For `checks` and `needed_at_start` see
    `chassis.process.health.router`.
    """
    logging.configure(settings, role)
    error_reporting.configure(settings, role)
    tracing.configure(settings.service, role)
    metrics.set_build_info(settings.service, role)

    @asynccontextmanager
    async def process_lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Modules and classes live as long as the process. The garbage collector does not need to
        # scan them again and again: without this it took 5 % of the CPU time.
        gc.freeze()
        gc.set_threshold(10_000)
        lag_task = asyncio.create_task(metrics.measure_loop_lag())
        try:
            async with lifespan(app):
                yield
        finally:
            await cancel_tasks(lag_task)
            await asyncio.to_thread(tracing.stop)
            access_log.flush()

    app = DirectlyReadApplication(
        title=f"Warble {settings.service}",
        lifespan=process_lifespan,
        # The gateway serves one OpenAPI document for all services.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        strict_content_type=False,
        # A known path with an additional slash is 404, like every unknown path.
        redirect_slashes=False,
        # FastAPI's own telemetry puts paths and queries into spans, and error messages into logs.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.settings = settings
    errors.install(app)
    metrics.install(app)
    app.include_router(health.router(checks, needed_at_start))
    app.add_middleware(request_context.RequestContext)
    if tracing.is_enabled():
        app.add_middleware(tracing.TracingMiddleware, route=_route_pattern)
    return app


def _route_pattern(scope: Scope) -> str | None:
    return getattr(scope.get("route"), "path_format", None)
