"""Follows: following and unfollowing, and the lists of both sides."""

from fastapi import APIRouter, Request, Response

from chassis.auth.identity import SignedIn
from chassis.database.session import Autocommit
from chassis.http.errors import responses
from chassis.http.models import Id, Ok
from chassis.http.paging import Cursor, Limit
from chassis.process.direct_writes import DirectWrite

from .. import commands, people_lists
from ..errors import CannotFollowYourself, UserNotFound
from .response_models import UserPage

router = APIRouter(prefix="/api/users", tags=["users"])


@router.get(
    "/{id}/followers",
    summary="List a person's followers",
    response_model=UserPage,
    responses=responses(UserNotFound),
)
async def followers(
    id: Id, identity: SignedIn, request: Request, limit: Limit = 20, cursor: Cursor = None
) -> Response:
    connections = request.app.state.connections
    body = await people_lists.followers(connections, id, identity.user_id, limit, cursor)
    return Response(body, media_type="application/json")


@router.get(
    "/{id}/following",
    summary="List the people a person follows",
    response_model=UserPage,
    responses=responses(UserNotFound),
)
async def following(
    id: Id, identity: SignedIn, request: Request, limit: Limit = 20, cursor: Cursor = None
) -> Response:
    connections = request.app.state.connections
    body = await people_lists.following(connections, id, identity.user_id, limit, cursor)
    return Response(body, media_type="application/json")


@router.post(
    "/{id}/follow",
    summary="Follow a person",
    responses=responses(UserNotFound, CannotFollowYourself),
)
async def follow(id: Id, identity: SignedIn, session: Autocommit) -> Ok:
    await commands.follow(session, identity.user_id, id)
    return Ok()


@router.delete("/{id}/follow", summary="Unfollow a person", responses=responses(UserNotFound))
async def unfollow(id: Id, identity: SignedIn, session: Autocommit) -> Ok:
    await commands.unfollow(session, identity.user_id, id)
    return Ok()


direct_writes = [
    DirectWrite("POST", "/api/users/{id}/follow", follow),
    DirectWrite("DELETE", "/api/users/{id}/follow", unfollow),
]
