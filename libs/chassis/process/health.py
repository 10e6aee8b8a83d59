"""The health endpoints of a process: `/health/live`, `/health/ready` and `/health/status`.

`live` says that the process runs. `ready` says whether an orchestrator may send requests to it.
`status` runs all checks, for operators.

Readiness must not depend on a part that all replicas share. If it did, an outage of that part would
make every replica unready at the same moment, and the orchestrator would send requests to none of
them, not even the requests that do not need the part (docs/adr/0028). So `ready` runs each check
only until it has succeeded once. This is enough to stop the rollout of a process with wrong
settings.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from chassis.http.errors import Problem

CHECK_TIMEOUT_SECONDS = 2
"""Shorter than the timeout of probes, which is 5 s (deploy/kubernetes, docker-compose.yml)."""

Check = Callable[[], Awaitable[None]]
"""Asks one dependency, and raises any exception if the dependency does not respond."""

log = structlog.get_logger()


class NotReady(Problem):
    status = 503
    message = "Not ready: no response yet from {dependencies}."


class Degraded(Problem):
    status = 503
    message = "No response from {dependencies}."


def router(checks: Mapping[str, Check], needed_at_start: Iterable[str]) -> APIRouter:
    """`/health/status` runs all `checks`. `/health/ready` runs those named in `needed_at_start`,
    each until it has succeeded once."""
    router = APIRouter(prefix="/health", include_in_schema=False)
    pending = set(needed_at_start)

    @router.api_route("/live", methods=["GET", "HEAD"])
    async def live() -> dict[str, bool]:
        return {"result": True}

    @router.get("/ready")
    async def ready() -> dict[str, bool]:
        unavailable = await _unavailable({name: checks[name] for name in sorted(pending)})
        pending.intersection_update(unavailable)
        if unavailable:
            raise NotReady(dependencies=", ".join(unavailable))
        return {"result": True}

    @router.get("/status")
    async def status() -> JSONResponse:
        unavailable = await _unavailable(checks)
        states = {name: "unavailable" if name in unavailable else "ok" for name in checks}
        if not unavailable:
            return JSONResponse({"result": True, "checks": states})
        problem = Degraded(dependencies=", ".join(unavailable))
        return JSONResponse({**problem.body(), "checks": states}, problem.status)

    return router


async def _unavailable(checks: Mapping[str, Check]) -> list[str]:
    """Runs all checks at once and gives the names of those that fail or time out."""
    results = await asyncio.gather(*(_succeeds(name, check) for name, check in checks.items()))
    return [name for name, succeeded in zip(checks, results, strict=True) if not succeeded]


async def _succeeds(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await check()
    except Exception as error:
        log.warning("health.check_failed", check=name, error=repr(error))
        return False
    return True
