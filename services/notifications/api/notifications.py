"""The list of one's notifications, and the number of unread ones."""

import re
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from chassis.auth.identity import SignedIn
from chassis.database.session import DirectTransaction, fetch
from chassis.http.errors import InvalidRequest, responses
from chassis.http.paging import MAX_ID, Cursor, Limit

from .. import commands, queries
from ..commands import GroupId
from ..errors import NotificationNotFound
from ..kinds import Kind
from .responses import PersonView, example, json_response

router = APIRouter(prefix="/api", tags=["notifications"])

_GROUP_ID = re.compile(rf"({'|'.join(Kind)}):(-?[0-9]{{1,16}}):([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})")
_GROUP_EXAMPLE: dict[str, Any] = {
    "id": "like:31:2026-11-29",
    "kind": "like",
    "seq": 512,
    "created_at": "2026-11-29T09:30:00.123456Z",
    "unread": False,
    "read": False,
    "people": [
        {
            "id": 7,
            "name": "Анна Ким",
            "picture": {
                "small": "/uploads/2b6c1f0e9d5a4c7f8e3d2a1b0c9f8e7d-s.webp",
                "medium": "/uploads/2b6c1f0e9d5a4c7f8e3d2a1b0c9f8e7d-m.webp",
            },
        },
        {"id": 3, "name": "Boris Gray"},
    ],
    "people_count": 2,
    "tweet_id": 31,
    "tweet_count": 1,
    "thread_id": 28,
    "credential": None,
    "moderation": None,
}


class PictureView(BaseModel):
    """The URL paths of a person's picture: squares with sides of 48 and 128 pixels at most."""

    small: str
    medium: str


class ActorView(PersonView):
    picture: PictureView | None = Field(None, description="Missing if the person has none.")


class ModerationView(BaseModel):
    act: Literal["hidden", "restored", "report_closed"]
    """The last thing that happened to your tweet or your report."""
    reason: str | None
    """Why your tweet was hidden, as for `POST /api/reports`."""


class GroupView(BaseModel):
    """What happened to one thing on one day (UTC): the likes of a tweet, the replies to a tweet,
    new followers."""

    # For the OpenAPI document only: `queries` writes the responses.
    id: str
    kind: Kind
    seq: int
    """The number of the newest notification, for `POST /api/notifications/seen`."""
    created_at: datetime
    """When the newest event of the group happened."""
    unread: bool
    """Whether the badge counts the group."""
    read: bool
    """Whether the group was marked as read and nothing has happened since."""
    people: list[ActorView]
    """Those who acted last, three at most; none for `security` and `moderation`."""
    people_count: int
    tweet_id: int | None
    """The tweet to show: the one that is liked, else the newest one of the group."""
    tweet_count: int
    thread_id: int | None
    """The tweet with which the thread of this tweet begins."""
    credential: Literal["key", "session"] | None
    """For `security`: what is new."""
    moderation: ModerationView | None
    """For `moderation`: what moderators have done."""


class GroupPage(BaseModel):
    model_config = example(
        {
            "result": True,
            "notifications": [_GROUP_EXAMPLE],
            "next_cursor": None,
            "unread": 0,
            "seen": 512,
        }
    )

    result: Literal[True] = True
    notifications: list[GroupView]
    next_cursor: str | None
    unread: int
    """The number in the badge: 100 means more than 99."""
    seen: int
    """The `seq` up to which you have seen your notifications."""


class UnreadResponse(BaseModel):
    model_config = example({"result": True, "count": 3, "seen": 512})

    result: Literal[True] = True
    count: int
    """The number in the badge: 100 means more than 99."""
    seen: int
    """The `seq` up to which you have seen your notifications."""


class Seen(BaseModel):
    model_config = example({"seq": 512})

    seq: int = Field(
        ge=0, le=MAX_ID, strict=True, description="The largest `seq` that was on the screen."
    )


def _group_id(
    id: Annotated[
        str,
        Path(
            description="The `id` of a notification, such as `like:31:2026-11-29`.", max_length=100
        ),
    ],
) -> GroupId:
    """Raises InvalidRequest for what cannot be an id."""
    match = _GROUP_ID.fullmatch(id)
    try:
        if match is None:
            raise ValueError("not a kind, a number and a day")
        kind, subject_id, day = match.groups()
        return GroupId(Kind(kind), int(subject_id), date.fromisoformat(day))
    except ValueError as error:
        raise InvalidRequest(reason="id: Use the id of a notification as it is listed.") from error


@router.get(
    "/notifications",
    summary="List your notifications, newest first",
    response_model=GroupPage,
    responses=responses(InvalidRequest),
)
async def notifications(
    request: Request,
    identity: SignedIn,
    kind: Annotated[
        Kind | None,
        Query(
            description="List only this kind: `mention` lists only mentions of you.",
            examples=[Kind.mention],
        ),
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """Similar notifications of one day are one group: "Anna, Boris and 12 others like your tweet".

    Your settings, and the threads that you have muted, decide what is listed. If they or `kind`
    leave out much, a page has fewer notifications than `limit`, and still a `next_cursor`.
    """
    connections = request.app.state.connections
    return json_response(await queries.page(connections, identity.user_id, cursor, limit, kind))


@router.get("/notifications/unread", summary="The number of your unread notifications")
async def unread(request: Request, identity: SignedIn) -> UnreadResponse:
    return await _unread(request.app.state.connections.fetch, identity.user_id)


async def _unread(fetch: queries.Fetch, user_id: int) -> UnreadResponse:
    unread = (await queries.unread(fetch, [user_id]))[user_id]
    return UnreadResponse(count=unread.groups, seen=unread.seen)


@router.post("/notifications/seen", summary="Mark your notifications as seen")
async def mark_seen(body: Seen, identity: SignedIn, session: DirectTransaction) -> UnreadResponse:
    """Notifications up to `seq` leave the badge, on all your devices. The marker only moves
    forward, and not beyond your last notification."""
    await commands.mark_seen(session, identity.user_id, body.seq)
    return await _unread(partial(fetch, session), identity.user_id)


@router.post(
    "/notifications/{id}/read",
    summary="Mark a notification as read",
    responses=responses(NotificationNotFound),
)
async def mark_read(
    group: Annotated[GroupId, Depends(_group_id)], identity: SignedIn, session: DirectTransaction
) -> UnreadResponse:
    await commands.mark_read(session, identity.user_id, group)
    return await _unread(partial(fetch, session), identity.user_id)
