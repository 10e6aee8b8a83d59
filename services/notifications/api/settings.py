"""How a person is notified of each kind."""

from datetime import datetime
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth.identity import SignedIn
from chassis.database.session import DirectTransaction, fetch
from chassis.http.errors import InvalidRequest, responses

from .. import commands, queries
from ..commands import Preference
from ..kinds import FROM_PEOPLE, Delivery, Kind, Source
from .responses import PersonView, example, json_response

router = APIRouter(prefix="/api", tags=["notifications"])

_SETTINGS_EXAMPLE: dict[str, Any] = {
    "result": True,
    "kinds": {
        "reply": {"delivery": "badge", "from": "everyone"},
        "mention": {"delivery": "badge", "from": "everyone"},
        "like": {"delivery": "off", "from": "everyone"},
        "follow": {"delivery": "list", "from": "everyone"},
        "thread": {"delivery": "list", "from": "following"},
        "watch": {"delivery": "badge", "from": "everyone"},
        "announcement": {"delivery": "badge", "from": "everyone"},
        "moderation": {"delivery": "badge", "from": "everyone"},
        "security": {"delivery": "badge", "from": "everyone"},
    },
    "threads": [
        {
            "thread_id": 28,
            "state": "muted",
            "mentions": False,
            "since": "2026-11-23T09:30:00.123456Z",
        }
    ],
    "watched": [{"id": 7, "name": "Анна Ким"}],
}


class PreferenceView(BaseModel):
    delivery: Delivery
    source: Source = Field(alias="from")


class ThreadView(BaseModel):
    thread_id: int
    state: Literal["followed", "muted"]
    mentions: bool
    """Whether mentions of you are muted too."""
    since: datetime


class SettingsResponse(BaseModel):
    model_config = example(_SETTINGS_EXAMPLE)

    result: Literal[True] = True
    kinds: dict[Kind, PreferenceView]
    threads: list[ThreadView]
    """The threads that you follow and mute, the latest first."""
    watched: list[PersonView]
    """The people whom you watch, the latest first."""


class PreferenceChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    delivery: Delivery | None = Field(
        default=None,
        description="`badge`: listed and counted. `list`: only listed. `off`: neither.",
    )
    source: Source | None = Field(
        default=None,
        alias="from",
        description="`following`: only what people do whom you follow.",
    )


class SettingsChange(BaseModel):
    model_config = example({"kinds": {"like": {"delivery": "off"}, "reply": {"from": "following"}}})

    kinds: dict[Kind, PreferenceChange] = Field(
        default={}, description="The kinds to change. What you leave out stays as it is."
    )


@router.get(
    "/notifications/settings",
    summary="Read your notification settings",
    response_model=SettingsResponse,
)
async def settings(request: Request, identity: SignedIn) -> Response:
    """How you are notified of each kind, the threads that you follow or mute, and the people whom
    you watch."""
    return await _settings(request.app.state.connections.fetch, identity.user_id)


async def _settings(fetch: queries.Fetch, user_id: int) -> Response:
    body = await queries.settings(fetch, user_id)
    return json_response(b'{"result":true,%b' % body[1:])


@router.patch(
    "/notifications/settings",
    summary="Change your notification settings",
    response_model=SettingsResponse,
    responses=responses(InvalidRequest),
)
async def change_settings(
    body: SettingsChange, identity: SignedIn, session: DirectTransaction
) -> Response:
    """The settings apply to earlier notifications too."""
    for kind, change in body.kinds.items():
        if change.source is Source.following and kind not in FROM_PEOPLE:
            raise InvalidRequest(reason=f"kinds.{kind}.from: Only `everyone` is possible.")
    await commands.change_preferences(
        session,
        identity.user_id,
        {kind: Preference(change.delivery, change.source) for kind, change in body.kinds.items()},
    )
    return await _settings(partial(fetch, session), identity.user_id)
