"""People, whom they follow, and the one key that administrators give."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.app import Done, Id
from chassis.database import Transaction
from chassis.errors import InvalidRequest, NotAnAdministrator, responses
from chassis.identity import Administrator, SignedIn
from chassis.paging import Cursor, Limit

from .. import audit, commands, queries
from ..audit import Deed
from ..errors import (
    CannotDeactivateYourself,
    CannotFollowYourself,
    LastAdministrator,
    NameNotAccepted,
    NotYourName,
    UserNotFound,
)
from ..queries import Listed
from ..settings import Settings
from . import keys, sessions
from .keys import KeyAnswer, key_answer, uncached

router = APIRouter(prefix="/api/users", tags=["users"])


class NameDraft(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Анна Ким"}]})

    name: str = Field(max_length=1000)


class UserView(BaseModel):
    id: int
    name: str


class ListedUserView(UserView):
    followed: bool
    """By the reader."""


class ProfileView(ListedUserView):
    followers: list[UserView]
    following: list[UserView]
    follower_count: int
    following_count: int


class ProfileAnswer(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "user": {
                        "id": 7,
                        "name": "Анна Ким",
                        "followed": True,
                        "followers": [{"id": 3, "name": "Boris Gray"}],
                        "following": [],
                        "follower_count": 1,
                        "following_count": 0,
                    },
                }
            ]
        }
    )

    result: Literal[True] = True
    user: ProfileView


class UserPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "users": [{"id": 7, "name": "Анна Ким", "followed": True}],
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    users: list[ListedUserView]
    next_cursor: str | None


def _page(listed: Listed) -> UserPage:
    users = [ListedUserView(**person._asdict()) for person in listed.people]
    return UserPage(users=users, next_cursor=listed.next_cursor)


async def _profile(session: Transaction, user_id: int, reader_id: int) -> Response:
    answer = await queries.profile(session, user_id, reader_id)
    return Response(answer, media_type="application/json")


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


@router.get("/me", summary="Who am I", response_model=ProfileAnswer)
async def my_profile(identity: SignedIn, session: Transaction) -> Response:
    return await _profile(session, identity.user_id, identity.user_id)


@router.get("", summary="Find people by name", responses=responses(InvalidRequest))
async def find_users(
    identity: SignedIn,
    session: Transaction,
    query: Annotated[
        str,
        Query(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="Part of a name; a typo is forgiven. Missing: everyone.",
        ),
    ] = "",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> UserPage:
    if query.strip():
        found = await queries.people_by_name(session, query, identity.user_id, limit, cursor)
    else:
        found = await queries.people_by_followers(session, identity.user_id, limit, cursor)
    return _page(found)


@router.post(
    "",
    status_code=201,
    summary="Register a person (administrators)",
    responses=responses(NotAnAdministrator, NameNotAccepted),
    dependencies=[uncached],
)
async def register_user(
    draft: NameDraft, identity: Administrator, session: Transaction, request: Request
) -> KeyAnswer:
    """The answer contains the person's first key. It ends with the key that makes it, so register
    people with a key that has no end."""
    length = _settings(request).name_length
    user_id = await commands.register_user(session, draft.name, name_length=length)
    expires_at = commands.caller_key_expiry(identity)
    key = await commands.issue_key(session, user_id, expires_at=expires_at)
    audit.note(session, Deed.registered, user_id, identity)
    return key_answer(user_id, key)


@router.get(
    "/{id}",
    summary="A person's profile",
    response_model=ProfileAnswer,
    responses=responses(UserNotFound),
)
async def profile(id: Id, identity: SignedIn, session: Transaction) -> Response:
    return await _profile(session, id, identity.user_id)


@router.patch(
    "/{id}",
    summary="Change a name (the person, or an administrator)",
    responses=responses(NotYourName, UserNotFound, NameNotAccepted),
)
async def rename_user(
    id: Id, draft: NameDraft, identity: SignedIn, session: Transaction, request: Request
) -> Done:
    if identity.user_id != id and not identity.administrator:
        raise NotYourName
    length = _settings(request).name_length
    await commands.rename_user(session, id, draft.name, name_length=length)
    audit.note(session, Deed.renamed, id, identity)
    return Done()


@router.delete(
    "/{id}",
    summary="Deactivate a person (administrators)",
    responses=responses(
        NotAnAdministrator, UserNotFound, CannotDeactivateYourself, LastAdministrator
    ),
)
async def deactivate_user(id: Id, identity: Administrator, session: Transaction) -> Done:
    await commands.deactivate_user(session, id, by=identity.user_id)
    audit.note(session, Deed.deactivated, id, identity)
    return Done()


@router.post(
    "/{id}/key",
    status_code=201,
    summary="Replace a person's keys by a new one (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
    dependencies=[uncached],
)
async def rotate_key(id: Id, identity: Administrator, session: Transaction) -> KeyAnswer:
    """The new key ends with the key that makes it."""
    key = await commands.rotate_key(session, id, by=identity)
    audit.note(session, Deed.keys_replaced, id, identity)
    return key_answer(id, key)


@router.delete(
    "/{id}/key",
    summary="Revoke a person's keys (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
)
async def revoke_keys(id: Id, identity: Administrator, session: Transaction) -> Done:
    await commands.revoke_keys(session, id)
    audit.note(session, Deed.keys_revoked, id, identity)
    return Done()


@router.get("/{id}/followers", summary="Who follows them", responses=responses(UserNotFound))
async def followers(
    id: Id, identity: SignedIn, session: Transaction, limit: Limit = 20, cursor: Cursor = None
) -> UserPage:
    await queries.person_by_id(session, id)
    return _page(await queries.followers(session, id, identity.user_id, limit, cursor))


@router.get("/{id}/following", summary="Whom they follow", responses=responses(UserNotFound))
async def following(
    id: Id, identity: SignedIn, session: Transaction, limit: Limit = 20, cursor: Cursor = None
) -> UserPage:
    await queries.person_by_id(session, id)
    return _page(await queries.following(session, id, identity.user_id, limit, cursor))


@router.post(
    "/{id}/follow",
    summary="Follow a person",
    responses=responses(UserNotFound, CannotFollowYourself),
)
async def follow(id: Id, identity: SignedIn, session: Transaction) -> Done:
    await commands.follow(session, identity.user_id, id)
    return Done()


@router.delete("/{id}/follow", summary="Stop following", responses=responses(UserNotFound))
async def unfollow(id: Id, identity: SignedIn, session: Transaction) -> Done:
    await commands.unfollow(session, identity.user_id, id)
    return Done()


router.include_router(keys.router)
router.include_router(sessions.router)
