"""Announcements, their acknowledgements, and reminders."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from chassis.auth.identity import SignedIn
from chassis.database.session import DirectTransaction
from chassis.http.errors import InvalidRequest, responses
from chassis.http.models import Ok
from chassis.http.paging import MAX_ID, Cursor, Limit

from .. import announcements, commands
from ..announcements import NewAnnouncement
from ..commands import NewTweet
from ..entities import AmbiguousMention
from ..errors import (
    AnnouncementEnded,
    AnnouncementNotFound,
    AnnouncementPeriodNotAccepted,
    NotAnAnnouncer,
    NothingToAcknowledge,
    NotYourAnnouncement,
    RemindedRecently,
    TextNotAccepted,
    TooManyMentions,
    TweetAlreadyDeleted,
    TweetEmpty,
    TweetTooLong,
)
from ..models import WhoMayReply
from ..roles import Announcer
from .response_models import PersonView
from .tweets import DRAFT_ID_PATTERN

router = APIRouter(prefix="/api/announcements", tags=["announcements"])

TweetId = Annotated[int, Path(ge=1, le=MAX_ID)]


class AnnouncementDraft(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tweet_data": "The office moves on Friday.",
                    "until": "2026-11-27T17:00:00Z",
                    "replies": "nobody",
                    "acknowledge": True,
                }
            ]
        }
    )

    tweet_data: str = Field(description="The text of the tweet.")
    until: AwareDatetime = Field(description="Until when it is shown above every feed.")
    replies: Literal["everyone", "nobody"] = "everyone"
    acknowledge: bool = Field(
        default=False, description="Whether to ask people to confirm that they have read it."
    )
    draft_id: str | None = Field(
        default=None,
        pattern=DRAFT_ID_PATTERN,
        description="As for `POST /api/tweets`: posting the draft again creates nothing new.",
    )


class AnnouncementResponse(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True, "tweet_id": 31}]})

    result: Literal[True] = True
    tweet_id: int
    ambiguous: list[AmbiguousMention] | None = None
    """As for `POST /api/tweets`."""


class AnnouncementView(BaseModel):
    tweet_id: int
    author: PersonView
    created_at: datetime
    until: datetime
    acknowledge: bool
    """Whether people are asked to confirm that they have read it."""
    acknowledged: bool
    """Whether you have."""


class Announcements(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "announcements": [
                        {
                            "tweet_id": 31,
                            "author": {"id": 7, "name": "Ann Kim"},
                            "created_at": "2026-11-23T09:30:00Z",
                            "until": "2026-11-27T17:00:00Z",
                            "acknowledge": True,
                            "acknowledged": False,
                        }
                    ],
                }
            ]
        }
    )

    result: Literal[True] = True
    announcements: list[AnnouncementView]


class AcknowledgingPerson(BaseModel):
    id: int
    name: str
    acknowledged_at: datetime | None


class AcknowledgementPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "people": [
                        {"id": 9, "name": "Boris", "acknowledged_at": "2026-11-23T09:41:00Z"}
                    ],
                    "next_cursor": None,
                    "done": 1,
                    "missing": 3,
                }
            ]
        }
    )

    result: Literal[True] = True
    people: list[AcknowledgingPerson]
    next_cursor: str | None
    done: int
    """How many people have confirmed."""
    missing: int
    """How many have not, without the author."""


class Reminded(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True, "people": 3}]})

    result: Literal[True] = True
    people: int
    """How many people are reminded."""


@router.post(
    "",
    status_code=201,
    summary="Post an announcement (people with this role)",
    response_model_exclude_none=True,
    responses=responses(
        NotAnAnnouncer,
        AnnouncementPeriodNotAccepted,
        TooManyMentions,
        TweetEmpty,
        TweetTooLong,
        TextNotAccepted,
        TweetAlreadyDeleted,
    ),
)
async def announce(
    body: AnnouncementDraft, identity: Announcer, session: DirectTransaction, request: Request
) -> AnnouncementResponse:
    """It is a tweet like any other, and everybody is notified of it."""
    content = commands.clean_draft(body.tweet_data, [], request.app.state.settings)
    tweet = NewTweet(content, replies=WhoMayReply(body.replies))
    posted = await announcements.announce(
        session,
        identity.user_id,
        NewAnnouncement(tweet, body.until, body.acknowledge),
        body.draft_id,
    )
    return AnnouncementResponse(tweet_id=posted.tweet_id, ambiguous=list(posted.ambiguous) or None)


@router.get("", summary="List the announcements that are in force, newest first")
async def in_force(identity: SignedIn, session: DirectTransaction) -> Announcements:
    rows = await announcements.in_force(session, identity.user_id)
    return Announcements(
        announcements=[
            AnnouncementView(
                tweet_id=row["tweet_id"],
                author=PersonView(id=row["author_id"], name=row["author_name"] or ""),
                created_at=row["created_at"],
                until=row["until"],
                acknowledge=row["acknowledge"],
                acknowledged=row["acknowledged"],
            )
            for row in rows
        ]
    )


@router.delete(
    "/{tweet_id}",
    summary="End an announcement early (its author and administrators)",
    responses=responses(AnnouncementNotFound, NotYourAnnouncement),
)
async def end(tweet_id: TweetId, identity: SignedIn, session: DirectTransaction) -> Ok:
    """The tweet stays."""
    await announcements.end(session, tweet_id, identity)
    return Ok()


@router.post(
    "/{tweet_id}/acknowledgement",
    summary="Confirm that you have read an announcement",
    responses=responses(AnnouncementNotFound),
)
async def acknowledge(tweet_id: TweetId, identity: SignedIn, session: DirectTransaction) -> Ok:
    await announcements.acknowledge(session, tweet_id, identity.user_id)
    return Ok()


@router.get(
    "/{tweet_id}/acknowledgements",
    summary="List who has read an announcement, and who has not (its author and administrators)",
    responses=responses(AnnouncementNotFound, NotYourAnnouncement, InvalidRequest),
)
async def acknowledgements(
    tweet_id: TweetId,
    identity: SignedIn,
    session: DirectTransaction,
    state: Annotated[
        Literal["done", "missing"], Query(description="Those who have confirmed, or the others.")
    ] = "done",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> AcknowledgementPage:
    people, next_cursor, counts = await announcements.acknowledgements(
        session, tweet_id, identity, missing=state == "missing", cursor=cursor, limit=limit
    )
    return AcknowledgementPage(
        people=[AcknowledgingPerson(**person) for person in people],
        next_cursor=next_cursor,
        done=counts.done,
        missing=counts.missing,
    )


@router.get(
    "/{tweet_id}/acknowledgements.csv",
    summary="Export who has read an announcement, and who has not (its author and administrators)",
    response_class=Response,
    responses={
        200: {
            "description": "One line for each person.",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
        **responses(AnnouncementNotFound, NotYourAnnouncement),
    },
)
async def export(tweet_id: TweetId, identity: SignedIn, session: DirectTransaction) -> Response:
    done, missing = await announcements.everybody(session, tweet_id, identity)
    name = f'attachment; filename="announcement-{tweet_id}.csv"'
    return Response(
        announcements.as_csv([*done, *missing]),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": name},
    )


@router.post(
    "/{tweet_id}/reminder",
    summary="Remind those who have not confirmed, once an hour (the author and administrators)",
    responses=responses(
        AnnouncementNotFound,
        NotYourAnnouncement,
        NothingToAcknowledge,
        AnnouncementEnded,
        RemindedRecently,
    ),
)
async def remind(tweet_id: TweetId, identity: SignedIn, session: DirectTransaction) -> Reminded:
    return Reminded(people=await announcements.remind(session, tweet_id, identity))
