"""Watching of people: a notification of each of their new tweets."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from chassis.auth.identity import SignedIn
from chassis.database.session import DirectTransaction
from chassis.http.errors import responses
from chassis.http.models import Id, Ok

from .. import commands, queries
from ..errors import CannotWatchYourself, TooManyWatched, UserNotFound
from .responses import example
from .wait_for_own_writes import after_own_writes

router = APIRouter(prefix="/api", tags=["notifications"])


class WatchResponse(BaseModel):
    model_config = example({"result": True, "watched": True})

    result: Literal[True] = True
    watched: bool


@router.post(
    "/users/{id}/watch",
    summary="Watch a person",
    responses=responses(CannotWatchYourself, UserNotFound, TooManyWatched),
    dependencies=[after_own_writes],
)
async def watch(id: Id, identity: SignedIn, session: DirectTransaction) -> Ok:
    """You are notified of the person's new tweets."""
    await commands.watch(session, identity.user_id, id)
    return Ok()


@router.delete("/users/{id}/watch", summary="Stop watching a person")
async def unwatch(id: Id, identity: SignedIn, session: DirectTransaction) -> Ok:
    await commands.unwatch(session, identity.user_id, id)
    return Ok()


@router.get("/users/{id}/watch", summary="Whether you watch a person")
async def watched(id: Id, request: Request, identity: SignedIn) -> WatchResponse:
    connections = request.app.state.connections
    return WatchResponse(watched=await queries.is_watched(connections.fetch, identity.user_id, id))
