"""The HTTP API of the notifications: it validates requests and writes responses."""

import re
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth.identity import SignedIn
from chassis.database.session import DirectTransaction, fetch
from chassis.http.errors import InvalidRequest, responses
from chassis.http.models import Id, Ok
from chassis.http.paging import MAX_ID, Cursor, Limit

from . import commands, queries
from .commands import GroupId, Preference
from .errors import (
    CannotWatchYourself,
    NotificationNotFound,
    TooManyThreads,
    TooManyWatched,
    TweetNotFound,
    UserNotFound,
)
from .kinds import FROM_PEOPLE, Delivery, Kind, Source
from .own_writes import after_own_writes

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


def _example(example: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class PersonView(BaseModel):
    id: int
    name: str


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
    model_config = _example(
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
    model_config = _example({"result": True, "count": 3, "seen": 512})

    result: Literal[True] = True
    count: int
    """The number in the badge: 100 means more than 99."""
    seen: int
    """The `seq` up to which you have seen your notifications."""


class Seen(BaseModel):
    model_config = _example({"seq": 512})

    seq: int = Field(
        ge=0, le=MAX_ID, strict=True, description="The largest `seq` that was on the screen."
    )


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
    model_config = _example(_SETTINGS_EXAMPLE)

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
    model_config = _example(
        {"kinds": {"like": {"delivery": "off"}, "reply": {"from": "following"}}}
    )

    kinds: dict[Kind, PreferenceChange] = Field(
        default={}, description="The kinds to change. What you leave out stays as it is."
    )


class Mute(BaseModel):
    model_config = _example({"mentions": True})

    mentions: bool = Field(
        default=False, strict=True, description="Whether mentions of you are muted too."
    )


class SubscriptionResponse(BaseModel):
    model_config = _example({"result": True, "thread_id": 28, "state": "muted", "mentions": False})

    result: Literal[True] = True
    thread_id: int
    """The tweet with which the thread begins."""
    state: Literal["none", "followed", "muted"]
    mentions: bool
    """Whether mentions of you are muted too."""


class WatchResponse(BaseModel):
    model_config = _example({"result": True, "watched": True})

    result: Literal[True] = True
    watched: bool


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


async def _thread_of_tweet(
    id: Id, request: Request, identity: SignedIn, _waited: Annotated[None, after_own_writes]
) -> queries.ThreadState:
    """Raises TweetNotFound."""
    return await queries.thread_state(request.app.state.connections.fetch, identity.user_id, id)


ThreadOfTweet = Annotated[queries.ThreadState, Depends(_thread_of_tweet)]


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


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
    return _json(await queries.page(connections, identity.user_id, cursor, limit, kind))


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


@router.get(
    "/notifications/settings",
    summary="Read your notification settings",
    response_model=SettingsResponse,
)
async def settings(request: Request, identity: SignedIn) -> Response:
    """How you are told of each kind, the threads that you follow or mute, and the people whom you
    watch."""
    return await _settings(request.app.state.connections.fetch, identity.user_id)


async def _settings(fetch: queries.Fetch, user_id: int) -> Response:
    body = await queries.settings(fetch, user_id)
    return _json(b'{"result":true,%b' % body.lstrip(b"{"))


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


@router.post(
    "/tweets/{id}/mute",
    summary="Mute a thread",
    responses=responses(TweetNotFound, TooManyThreads),
)
async def mute_thread(
    thread: ThreadOfTweet, identity: SignedIn, session: DirectTransaction, body: Mute | None = None
) -> Ok:
    """Hides the notifications of the whole thread of the tweet, also earlier ones. Mentions of you
    are still listed, unless you mute them too. You no longer follow the thread."""
    mentions = body is not None and body.mentions
    await commands.mute_thread(session, identity.user_id, thread.thread_id, mentions=mentions)
    return Ok()


@router.delete(
    "/tweets/{id}/mute",
    summary="Unmute a thread",
    responses=responses(TweetNotFound),
)
async def unmute_thread(
    thread: ThreadOfTweet, identity: SignedIn, session: DirectTransaction
) -> Ok:
    """The notifications that were hidden are listed again."""
    await commands.unmute_thread(session, identity.user_id, thread.thread_id)
    return Ok()


@router.post(
    "/tweets/{id}/subscription",
    summary="Follow a thread",
    responses=responses(TweetNotFound, TooManyThreads),
)
async def follow_thread(
    thread: ThreadOfTweet, identity: SignedIn, session: DirectTransaction
) -> Ok:
    """You are notified of new tweets in the thread of the tweet. The thread is no longer muted."""
    await commands.follow_thread(session, identity.user_id, thread.thread_id)
    return Ok()


@router.delete(
    "/tweets/{id}/subscription",
    summary="Unfollow a thread",
    responses=responses(TweetNotFound),
)
async def unfollow_thread(
    thread: ThreadOfTweet, identity: SignedIn, session: DirectTransaction
) -> Ok:
    await commands.unfollow_thread(session, identity.user_id, thread.thread_id)
    return Ok()


@router.get(
    "/tweets/{id}/subscription",
    summary="Whether you follow or mute a thread",
    responses=responses(TweetNotFound),
)
async def subscription(thread: ThreadOfTweet) -> SubscriptionResponse:
    return SubscriptionResponse(
        thread_id=thread.thread_id, state=thread.state, mentions=thread.mentions_muted
    )


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
