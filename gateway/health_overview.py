"""The state of the whole system for administrators: what each service says of itself, combined."""

import asyncio
import json
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import IDENTITY_HEADER, Identity
from chassis.http.errors import NotAnAdministrator, Problem, responses
from chassis.observability.request_context import propagation_headers

from .caller_dependencies import CallingAdministrator
from .settings import SERVICES
from .upstream import ClientDisconnected

PATH = "/api/health"


class ServiceHealth(BaseModel):
    """A number is null if it is not known: the service or the broker does not answer, or the
    service publishes no events."""

    ready: bool
    """Whether a replica of the service answers requests."""
    unpublished: int | None = None
    """Changes of which the other services do not know yet."""
    oldest_unpublished_at: datetime | None = None
    unhandled: int | None = None
    """Events that wait for the service, or for a retry."""
    dead_letters: int | None = None
    """Events that failed at every attempt. `make replay SERVICE=…`, or `operate replay`, handles
    them again once the cause is fixed."""
    consumers: int | None = None
    """How many workers handle events."""


class HealthOverview(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "healthy": True,
                    "broker": True,
                    "services": {
                        "users": {
                            "ready": True,
                            "unpublished": 0,
                            "oldest_unpublished_at": None,
                            "unhandled": 0,
                            "dead_letters": 0,
                            "consumers": 1,
                        }
                    },
                }
            ]
        }
    )

    result: Literal[True] = True
    healthy: bool
    """Whether this gateway is connected to the broker, all services are ready, each has a worker,
    and there are no dead letters."""
    broker: bool
    """Whether this gateway is connected to the broker, and hears of revoked keys at once."""
    services: dict[str, ServiceHealth]


router = APIRouter(tags=["administration"])
"""Needs `app.state.credentials`, `upstream`, `signer` and `limits`."""


@router.head(PATH, include_in_schema=False)
@router.get(
    PATH,
    summary="The state of all services (administrators)",
    responses=responses(NotAnAdministrator),
)
async def health_overview(identity: CallingAdministrator, request: Request) -> HealthOverview:
    """A short overview; for details use the metrics and alerts. A response may take some seconds
    while a service or the broker does not answer."""
    found = await asyncio.gather(*(_health(request, identity, name) for name in SERVICES))
    broker: bool = request.app.state.credentials.receives_revocations
    healthy = broker and all(
        each.ready and not each.dead_letters and bool(each.consumers) for each in found
    )
    services = dict(zip(SERVICES, found, strict=True))
    return HealthOverview(healthy=healthy, broker=broker, services=services)


async def _health(request: Request, identity: Identity, service: str) -> ServiceHealth:
    state = request.app.state
    headers = {IDENTITY_HEADER: state.signer.sign(identity, service), **propagation_headers()}
    try:
        await state.upstream.check(service)
        response = await state.upstream.request(service, "GET", "/internal/backlog", headers)
    except (Problem, ClientDisconnected):
        return ServiceHealth(ready=False)
    if response.http.status != 200 or response.body is None:
        return ServiceHealth(ready=False)
    return ServiceHealth.model_validate({**json.loads(response.body), "ready": True})
