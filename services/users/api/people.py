"""Routes for people: profiles, search, registration, follows, and replacing all keys."""

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chassis.auth.identity import Administrator, Identity, SignedIn
from chassis.database.session import Transaction
from chassis.http.errors import InvalidRequest, NotAnAdministrator, responses
from chassis.http.models import Id, Ok
from chassis.http.paging import Cursor, Limit

from .. import audit, commands, people_pages, profiles
from ..audit import AuditAction
from ..errors import (
    CannotDeactivateYourself,
    CannotFollowYourself,
    LastAdministrator,
    NameNotAccepted,
    NotYourName,
    PersonErased,
    PositionChangeNotAllowed,
    ProfileTextNotAccepted,
    RenamingNotAllowed,
    UserNotFound,
)
from ..events import PicturePaths
from ..profiles import Profiles
from ..settings import Settings
from . import keys, sessions
from .keys import KeyResponse, key_response, uncached

router = APIRouter(prefix="/api/users", tags=["users"])


class NameDraft(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Анна Ким"}]})

    name: str = Field(max_length=1000)


class ProfileDraft(BaseModel):
    """What changes. Fields that are left out stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Анна Ким",
                    "about": "Coffee, bridges, and clear sentences.",
                    "title": "Structural engineer",
                    "department": "Bridges",
                }
            ]
        }
    )

    name: str = Field(default="", max_length=1000)
    about: str | None = Field(
        default=None,
        max_length=1000,
        description="A line about oneself, up to 280 characters. Null clears it.",
    )
    title: str | None = Field(
        default=None, max_length=1000, description="Up to 100 characters. Null clears it."
    )
    department: str | None = Field(
        default=None, max_length=1000, description="Up to 100 characters. Null clears it."
    )

    @model_validator(mode="after")
    def _names_a_change(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("Name at least one field to change.")
        return self


def _only_if_given(description: str) -> Any:
    """A field that is missing from the response if it is null: a client that does not know it sees
    what it saw before."""
    return Field(default=None, description=description, exclude_if=lambda value: value is None)


class UserView(BaseModel):
    id: int
    name: str


class ListedUserView(UserView):
    title: str | None = _only_if_given("Missing if the person has none.")
    department: str | None = _only_if_given("Missing if the person has none.")
    picture: PicturePaths | None = _only_if_given("Missing if the person has none.")
    followed: bool
    """Whether the caller follows this person."""


class ProfileView(ListedUserView):
    about: str | None = _only_if_given(
        "What the person says about themselves. Missing if the person has said nothing."
    )
    followers: list[UserView]
    following: list[UserView]
    follower_count: int
    following_count: int


class ProfileResponse(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "user": {
                        "id": 7,
                        "name": "Анна Ким",
                        "about": "Coffee, bridges, and clear sentences.",
                        "title": "Structural engineer",
                        "department": "Bridges",
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


class OwnProfileResponse(BaseModel):
    """One's own profile, and what one may do, so that a page offers nothing that is refused."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "user": {
                        "id": 7,
                        "name": "Анна Ким",
                        "followed": False,
                        "followers": [{"id": 3, "name": "Boris Gray"}],
                        "following": [],
                        "follower_count": 1,
                        "following_count": 0,
                    },
                    "administrator": False,
                    "moderator": True,
                    "announcer": False,
                    "may_rename": True,
                    "may_change_position": True,
                }
            ]
        }
    )

    result: Literal[True] = True
    user: ProfileView
    administrator: bool
    """Whether the caller's key has the rights of an administrator."""
    moderator: bool
    """Whether the caller's key has the rights of a moderator. Administrators have them."""
    announcer: bool
    """Whether the caller's key may post announcements. Administrators may."""
    may_rename: bool
    """Whether the caller may change their own name."""
    may_change_position: bool
    """Whether the caller may change their own title and department."""


class UserPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "users": [
                        {"id": 7, "name": "Анна Ким", "department": "Bridges", "followed": True}
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    users: list[ListedUserView]
    next_cursor: str | None


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _profile(request: Request, identity: Identity, user_id: int | None) -> Response:
    cached: Profiles = request.app.state.profiles
    profile = await cached.read(cached.key(identity, user_id))
    return profile.response(request)


@router.get("/me", summary="Get your own profile", response_model=OwnProfileResponse)
async def my_profile(identity: SignedIn, request: Request) -> Response:
    return await _profile(request, identity, None)


@router.get(
    "",
    summary="Find people by name",
    response_model=UserPage,
    responses=responses(InvalidRequest),
)
async def find_users(
    identity: SignedIn,
    request: Request,
    query: Annotated[
        str,
        Query(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="Part of a name, in its own letters or in Latin ones. Small typos and the"
            " wrong keyboard layout are tolerated. Without it you get everybody.",
        ),
    ] = "",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    connections = request.app.state.connections
    if query.strip():
        body = await people_pages.by_name(connections, query, identity.user_id, limit, cursor)
    else:
        body = await people_pages.everybody(connections, identity.user_id, limit, cursor)
    return Response(body, media_type="application/json")


@router.post(
    "",
    status_code=201,
    summary="Register a person (administrators)",
    responses=responses(NotAnAdministrator, NameNotAccepted),
    dependencies=[uncached],
)
async def register_user(
    draft: NameDraft, identity: Administrator, session: Transaction, request: Request
) -> KeyResponse:
    """The response contains the person's first key. It expires together with the key that creates
    it, so register people with a key that never expires."""
    max_length = _settings(request).max_name_length
    user_id = await commands.register_user(session, draft.name, max_name_length=max_length)
    expires_at = commands.caller_key_expiry(identity)
    key = await commands.issue_key(session, user_id, expires_at=expires_at)
    audit.record(session, AuditAction.registered, user_id, identity)
    return key_response(user_id, key)


@router.get(
    "/{id}",
    summary="Get a person's profile",
    response_model=ProfileResponse,
    responses=responses(UserNotFound),
)
async def profile(id: Id, identity: SignedIn, request: Request) -> Response:
    return await _profile(request, identity, id)


@router.patch(
    "/{id}",
    summary="Change a person's name and profile (the person, or an administrator)",
    responses=responses(
        NotYourName,
        RenamingNotAllowed,
        PositionChangeNotAllowed,
        UserNotFound,
        NameNotAccepted,
        ProfileTextNotAccepted,
    ),
)
async def change_user(
    id: Id, draft: ProfileDraft, identity: SignedIn, session: Transaction, request: Request
) -> Ok:
    """All changes are made, or none. Whether people may change their own name, title and department
    is a setting: `GET /api/users/me` says it."""
    if identity.user_id != id and not identity.administrator:
        raise NotYourName
    settings = _settings(request)
    changes = draft.model_dump(exclude_unset=True)
    if "name" in changes:
        if not profiles.may_rename(identity, settings):
            raise RenamingNotAllowed
        max_length = settings.max_name_length
        await commands.rename_user(session, id, changes.pop("name"), max_name_length=max_length)
        audit.record(session, AuditAction.renamed, id, identity)
    changes_position = bool(changes.keys() & {"title", "department"})
    if changes_position and not profiles.may_change_position(identity, settings):
        raise PositionChangeNotAllowed
    if await commands.change_profile(session, id, changes):
        audit.record(session, AuditAction.profile_changed, id, identity)
    return Ok()


@router.delete(
    "/{id}",
    summary="Deactivate a person (administrators)",
    responses=responses(
        NotAnAdministrator, UserNotFound, CannotDeactivateYourself, LastAdministrator
    ),
)
async def deactivate_user(id: Id, identity: Administrator, session: Transaction) -> Ok:
    """The person's keys and sessions stop working, and nobody sees the person or their tweets any
    more. The data stays stored. Idempotent."""
    await commands.deactivate_user(session, id, caller_id=identity.user_id)
    audit.record(session, AuditAction.deactivated, id, identity)
    return Ok()


@router.post(
    "/{id}/reactivation",
    summary="Bring back a deactivated person (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound, PersonErased),
)
async def reactivate_user(id: Id, identity: Administrator, session: Transaction) -> Ok:
    """Everybody sees the person and their tweets again. Keys, sessions and roles do not come back:
    make an invitation or a key for the person. Idempotent."""
    if await commands.reactivate_user(session, id):
        audit.record(session, AuditAction.reactivated, id, identity)
    return Ok()


@router.post(
    "/{id}/key",
    status_code=201,
    summary="Replace all keys of a person with a new one (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
    dependencies=[uncached],
)
async def rotate_key(id: Id, identity: Administrator, session: Transaction) -> KeyResponse:
    """The person's old keys stop working at once. The new key expires together with the key that
    creates it."""
    key = await commands.rotate_key(session, id, caller=identity)
    audit.record(session, AuditAction.keys_replaced, id, identity)
    return key_response(id, key)


@router.delete(
    "/{id}/key",
    summary="Revoke all keys of a person (administrators)",
    responses=responses(NotAnAdministrator, UserNotFound),
)
async def revoke_keys(id: Id, identity: Administrator, session: Transaction) -> Ok:
    await commands.revoke_keys(session, id)
    audit.record(session, AuditAction.keys_revoked, id, identity)
    return Ok()


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
    body = await people_pages.followers(connections, id, identity.user_id, limit, cursor)
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
    body = await people_pages.following(connections, id, identity.user_id, limit, cursor)
    return Response(body, media_type="application/json")


@router.post(
    "/{id}/follow",
    summary="Follow a person",
    responses=responses(UserNotFound, CannotFollowYourself),
)
async def follow(id: Id, identity: SignedIn, session: Transaction) -> Ok:
    await commands.follow(session, identity.user_id, id)
    return Ok()


@router.delete("/{id}/follow", summary="Unfollow a person", responses=responses(UserNotFound))
async def unfollow(id: Id, identity: SignedIn, session: Transaction) -> Ok:
    await commands.unfollow(session, identity.user_id, id)
    return Ok()


router.include_router(keys.router)
router.include_router(sessions.router)
