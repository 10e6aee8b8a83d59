"""The frame of every process: the application, its health, its metrics, its way of stopping."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, Path
from pydantic import BaseModel
from starlette.types import Scope

from . import access_log, bodies, clock, errors, health, metrics, telemetry, traces
from .database import Database
from .health import Check
from .identity import Verifier
from .loops import run_forever
from .paging import MAX_ID
from .settings import ProcessSettings, ServiceSettings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

Id = Annotated[int, Path(ge=1, le=MAX_ID)]


class Done(BaseModel):
    """The answer of a call that has nothing else to say."""

    result: Literal[True] = True


def create(
    settings: ServiceSettings,
    *routers: APIRouter,
    lifespan: Lifespan | None = None,
    checks: Mapping[str, Check] | None = None,
    body_bytes: int = bodies.JSON_BYTES,
) -> FastAPI:
    """The api process of a service.

    `app.state.database` and `app.state.settings` are set; `lifespan` opens and closes what is the
    service's own. `/health/status` asks `checks` beside the database. A body is read up to
    `body_bytes`.
    """
    database = Database(settings)

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        await clock.look(database)
        following = asyncio.create_task(run_forever("clock", partial(clock.follow, database)))
        try:
            if lifespan is None:
                yield
            else:
                async with lifespan(app):
                    yield
        finally:
            await end(following)
            await database.close()

    app = frame(settings, "api", live, {"database": database.check, **(checks or {})}, ["database"])
    app.add_middleware(bodies.Bounded, most=body_bytes)
    app.state.database = database
    app.state.verifier = Verifier(settings.identity_public_key, settings.service)
    for router in routers:
        app.include_router(router)
    return app


def frame(
    settings: ProcessSettings,
    role: str,
    lifespan: Lifespan,
    checks: Mapping[str, Check],
    needed_at_start: Iterable[str] = (),
) -> FastAPI:
    """An application with what an api and a worker share: health, metrics, errors, logs.

    `checks` and `needed_at_start` are those of `chassis.health.router`.
    """
    telemetry.configure(settings, role)
    traces.configure(settings.service, role)
    metrics.name_build(settings.service, role)

    @asynccontextmanager
    async def measured(app: FastAPI) -> AsyncIterator[None]:
        # What was loaded stays: looking through it for garbage took a twentieth of all CPU time.
        gc.freeze()
        gc.set_threshold(10_000)
        watching = asyncio.create_task(metrics.watch_loop())
        try:
            async with lifespan(app):
                yield
        finally:
            await end(watching)
            await asyncio.to_thread(traces.stop)
            access_log.flush()

    app = FastAPI(
        title=f"Warble {settings.service}",
        lifespan=measured,
        # The gateway serves one document for all.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        strict_content_type=False,
        # An unknown path is 404, also if it is a known one with a slash too many.
        redirect_slashes=False,
        # Its spans hold paths and queries, its log records the words of errors.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.settings = settings
    errors.install(app)
    telemetry.instrument(app)
    app.include_router(health.router(checks, needed_at_start))
    app.add_middleware(telemetry.RequestContext)
    if traces.on():
        app.add_middleware(traces.Requests, route=_route)
    return app


def _route(scope: Scope) -> str | None:
    return getattr(scope.get("route"), "path_format", None)


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancels the tasks until they end: what a task cleans up may swallow a cancellation."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=1)
