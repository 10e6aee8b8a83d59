"""What a process tells its probes and operators: `/health/live`, `/health/ready`, `/health/status`.

An orchestrator sends no requests to a process that is not ready. So readiness must not depend on a
part that all replicas share: while that part is away, no replica would get requests, not even those
that do not need the part (docs/adr/0028).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from .errors import Problem

CHECK_SECONDS = 2
"""Probes wait for 5 s (deploy/kubernetes, docker-compose.yml)."""

Check = Callable[[], Awaitable[None]]
"""Raises any exception if the part that it asks does not answer."""

log = structlog.get_logger()


class NotReady(Problem):
    status = 503
    message = "Not ready: {parts} did not answer since the start."


class Degraded(Problem):
    status = 503
    message = "Does not answer: {parts}."


def router(checks: Mapping[str, Check], needed_at_start: Iterable[str]) -> APIRouter:
    """`/health/status` asks all `checks`. `/health/ready` asks those `needed_at_start`, each until
    it has succeeded once: a rollout stops at a process whose settings are wrong."""
    router = APIRouter(prefix="/health", include_in_schema=False)
    unproven = set(needed_at_start)

    @router.api_route("/live", methods=["GET", "HEAD"])
    async def live() -> dict[str, bool]:
        return {"result": True}

    @router.get("/ready")
    async def ready() -> dict[str, bool]:
        away = await _away({name: checks[name] for name in sorted(unproven)})
        unproven.intersection_update(away)
        if away:
            raise NotReady(parts=", ".join(away))
        return {"result": True}

    @router.get("/status")
    async def status() -> JSONResponse:
        away = await _away(checks)
        states = {name: "away" if name in away else "ok" for name in checks}
        if not away:
            return JSONResponse({"result": True, "checks": states})
        problem = Degraded(parts=", ".join(away))
        return JSONResponse({**problem.body(), "checks": states}, problem.status)

    return router


async def _away(checks: Mapping[str, Check]) -> list[str]:
    """The names of the parts that do not answer within CHECK_SECONDS, all of them asked at once."""
    answers = await asyncio.gather(*(_answers(name, check) for name, check in checks.items()))
    return [name for name, well in zip(checks, answers, strict=True) if not well]


async def _answers(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:
        log.warning("health.part_away", part=name, error=repr(error))
        return False
    return True
