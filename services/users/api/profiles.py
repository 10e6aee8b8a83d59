"""Profiles: reading one, and changing one's own."""

from typing import Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chassis.auth.identity import Identity, SignedIn
from chassis.database.session import Transaction
from chassis.http.errors import responses
from chassis.http.models import Id, Ok

from .. import audit, commands, profiles
from ..audit import AuditAction
from ..errors import (
    NameNotAccepted,
    NotYourName,
    PositionChangeNotAllowed,
    ProfileTextNotAccepted,
    RenamingNotAllowed,
    UserNotFound,
)
from ..profiles import Profiles
from ..settings import Settings
from .response_models import ListedUserView, UserView, only_if_given

router = APIRouter(prefix="/api/users", tags=["users"])


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


class ProfileView(ListedUserView):
    about: str | None = only_if_given(
        "What the person says about themselves. Missing if it is empty."
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


async def _profile(request: Request, identity: Identity, user_id: int | None) -> Response:
    cached: Profiles = request.app.state.profiles
    profile = await cached.read(cached.key(identity, user_id))
    return profile.response(request)


@router.get("/me", summary="Get your own profile", response_model=OwnProfileResponse)
async def my_profile(identity: SignedIn, request: Request) -> Response:
    return await _profile(request, identity, None)


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
    depends on settings, whose result is in `GET /api/users/me`."""
    if identity.user_id != id and not identity.administrator:
        raise NotYourName
    settings: Settings = request.app.state.settings
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
