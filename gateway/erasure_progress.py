"""The progress of a person's erasure: each service reports its own part, combined here."""

import asyncio
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import IDENTITY_HEADER, Identity
from chassis.http.errors import BadGateway, NotAnAdministrator, Problem, responses
from chassis.http.models import Id
from chassis.observability.request_context import propagation_headers

from .caller_dependencies import CallingAdministrator
from .settings import SERVICES

PATH = "/api/erasures/{id}"


class ErasureNotFound(Problem):
    status = 404
    message = "No person with this id has been erased."


class ErasurePart(BaseModel):
    """The progress of one service.

    `state` is `waiting` before the service has learned of the erasure, `erasing` while it deletes
    data, `settling` when everything is deleted, until five minutes after the service learned of the
    erasure, and then `finished`.
    `erased` counts deleted tweets, likes, follows or pictures.
    """

    state: Literal["waiting", "erasing", "settling", "finished"]
    erased: int
    heard_at: datetime | None
    """When the service learned of the erasure."""
    cleared_at: datetime | None
    """When nothing was left."""
    finished_at: datetime | None


class ErasureView(BaseModel):
    """`finished` is true when every service is `finished`. `parts` has a part for each service."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "user_id": 7,
                    "finished": False,
                    "parts": {
                        "tweets": {
                            "state": "settling",
                            "erased": 1200,
                            "heard_at": "2026-11-23T09:30:00.123456Z",
                            "cleared_at": "2026-11-23T09:30:02.123456Z",
                            "finished_at": None,
                        }
                    },
                }
            ]
        }
    )

    result: Literal[True] = True
    user_id: int
    finished: bool
    parts: dict[str, ErasurePart]


router = APIRouter(tags=["administration"])
"""Needs `app.state.credentials`, `upstream`, `signer` and `limits`."""


@router.head(PATH, include_in_schema=False)
@router.get(
    PATH,
    summary="Progress of an erasure (administrators)",
    responses=responses(NotAnAdministrator, ErasureNotFound),
)
async def erasure(id: Id, identity: CallingAdministrator, request: Request) -> ErasureView:
    """`finished` becomes true at the earliest five minutes after the services learned of the
    erasure, because data of the person may arrive until then. Ask again, for example every ten
    seconds."""
    parts = await asyncio.gather(*(_part(request, identity, name, id) for name in SERVICES))
    part_of = dict(zip(SERVICES, parts, strict=True))
    if part_of["users"].state == "waiting":
        raise ErasureNotFound
    finished = all(part.state == "finished" for part in parts)
    return ErasureView(user_id=id, finished=finished, parts=part_of)


async def _part(request: Request, identity: Identity, service: str, user_id: int) -> ErasurePart:
    state = request.app.state
    headers = {IDENTITY_HEADER: state.signer.sign(identity, service), **propagation_headers()}
    path = f"/internal/erasures/{user_id}"
    response = await state.upstream.request(service, "GET", path, headers)
    if response.http.status != 200 or response.body is None:
        raise BadGateway
    return ErasurePart.model_validate_json(response.body)
