"""How far somebody's erasure is: each service tells its part, here they are one answer."""

import asyncio
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from chassis.app import Id
from chassis.errors import BadGateway, NotAnAdministrator, Problem, responses
from chassis.identity import HEADER, Identity
from chassis.telemetry import onward

from .callers import CallingAdministrator
from .settings import SERVICES

PATH = "/api/erasures/{id}"


class ErasureNotFound(Problem):
    status = 404
    message = "No such person has been erased."


class ErasurePart(BaseModel):
    """How far one service is."""

    state: Literal["waiting", "erasing", "settling", "finished"]
    """`waiting`: it has not heard. `settling`: nothing is left, but something may be on its way."""
    erased: int
    """Tweets, likes, follows or pictures that are gone."""
    heard_at: datetime | None
    cleared_at: datetime | None
    finished_at: datetime | None


class ErasureAnswer(BaseModel):
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
    """By every service."""
    parts: dict[str, ErasurePart]
    """By the service's name."""


router = APIRouter(tags=["users"])
"""`app.state.upstream` and `app.state.signer` are the gateway's."""


@router.head(PATH, include_in_schema=False)
@router.get(
    PATH,
    summary="How far a person's erasure is (administrators)",
    responses=responses(NotAnAdministrator, ErasureNotFound),
)
async def erasure(id: Id, identity: CallingAdministrator, request: Request) -> ErasureAnswer:
    """Finished is it some minutes after nothing is left, when nothing can be on its way."""
    told = await asyncio.gather(*(_part(request, identity, name, id) for name in SERVICES))
    parts = dict(zip(SERVICES, told, strict=True))
    if parts["users"].state == "waiting":
        raise ErasureNotFound
    finished = all(part.state == "finished" for part in told)
    return ErasureAnswer(user_id=id, finished=finished, parts=parts)


async def _part(request: Request, identity: Identity, service: str, user_id: int) -> ErasurePart:
    state = request.app.state
    headers = {HEADER: state.signer.token(identity, service), **onward()}
    answer = await state.upstream.ask(service, "GET", f"/internal/erasures/{user_id}", headers)
    if answer.response.status != 200 or answer.body is None:
        raise BadGateway
    return ErasurePart.model_validate_json(answer.body)
