"""Moderation: reports, and hiding tweets."""

from datetime import datetime
from typing import Annotated, Literal, Self

from asyncpg import Record
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chassis.auth.identity import SignedIn
from chassis.database.session import Transaction
from chassis.http.errors import InvalidRequest, responses
from chassis.http.models import Id, Ok
from chassis.http.paging import MAX_ID, Cursor, Limit

from .. import moderation
from ..errors import (
    CannotReportYourself,
    NotAModerator,
    ReportAlreadyClosed,
    ReportedPersonNotFound,
    ReportNotFound,
    TweetNotFound,
    TweetNotHidden,
)
from ..models import ReportReason
from ..roles import Moderator
from .response_models import PersonView

router = APIRouter(prefix="/api", tags=["moderation"])

MAX_NOTE_LENGTH = 500

# PostgreSQL stores no NUL in a text.
Note = Annotated[str, Field(max_length=MAX_NOTE_LENGTH, pattern=r"^[^\x00]*$")]


class ReportDraft(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tweet_id": 31, "reason": "spam", "note": "Again."}]}
    )

    tweet_id: int | None = Field(default=None, ge=1, le=MAX_ID, description="The tweet to report.")
    user_id: int | None = Field(
        default=None, ge=1, le=MAX_ID, description="The person to report, instead of a tweet."
    )
    reason: ReportReason
    note: Note = ""

    @model_validator(mode="after")
    def _has_one_subject(self) -> Self:
        if (self.tweet_id is None) == (self.user_id is None):
            raise ValueError("give either tweet_id or user_id")
        return self


class Closure(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "We talked to them."}]})

    note: Note = ""


class Hiding(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "confidential", "note": "It names a customer."}]}
    )

    reason: ReportReason
    note: Note = Field(default="", description="The author of the tweet reads it.")


class ReportResponse(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True, "report_id": 5}]})

    result: Literal[True] = True
    report_id: int


class ReportedTweetView(BaseModel):
    id: int
    content: str
    attachments: list[str]
    created_at: datetime
    hidden: bool
    deleted: bool
    """A deleted tweet has neither text nor pictures."""


class ReportView(BaseModel):
    id: int
    reporter: PersonView
    user: PersonView
    """The person who is reported; the author, if a tweet is."""
    tweet: ReportedTweetView | None
    """Null if the person is reported and not a tweet."""
    reason: ReportReason
    note: str
    created_at: datetime
    closed_at: datetime | None
    closure_note: str | None


class ReportPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "reports": [
                        {
                            "id": 5,
                            "reporter": {"id": 7, "name": "Ann Kim"},
                            "user": {"id": 9, "name": "Boris"},
                            "tweet": {
                                "id": 31,
                                "content": "Buy now!",
                                "attachments": [],
                                "created_at": "2026-11-23T09:20:00Z",
                                "hidden": False,
                                "deleted": False,
                            },
                            "reason": "spam",
                            "note": "Again.",
                            "created_at": "2026-11-23T09:30:00Z",
                            "closed_at": None,
                            "closure_note": None,
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    reports: list[ReportView]
    next_cursor: str | None


class OpenReports(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True, "count": 3}]})

    result: Literal[True] = True
    count: int


class HiddenTweet(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "tweet_id": 31,
                    "author_id": 9,
                    "reason": "confidential",
                    "note": "It names a customer.",
                    "hidden_at": "2026-11-23T09:30:00Z",
                    "content": "We have won …",
                    "created_at": "2026-11-23T09:20:00Z",
                }
            ]
        }
    )

    result: Literal[True] = True
    tweet_id: int
    author_id: int
    reason: ReportReason
    note: str
    hidden_at: datetime
    content: str
    created_at: datetime


@router.post(
    "/reports",
    status_code=201,
    summary="Report a tweet or a person to the moderators",
    responses=responses(TweetNotFound, ReportedPersonNotFound, CannotReportYourself),
)
async def report(body: ReportDraft, identity: SignedIn, session: Transaction) -> ReportResponse:
    """As long as your earlier report of the same tweet or person is open, you get its id again.
    The reported person does not learn who reported them."""
    if body.tweet_id is not None:
        report_id = await moderation.report_tweet(
            session, identity.user_id, body.tweet_id, body.reason, body.note
        )
    else:
        assert body.user_id is not None
        report_id = await moderation.report_person(
            session, identity.user_id, body.user_id, body.reason, body.note
        )
    return ReportResponse(report_id=report_id)


@router.get(
    "/reports",
    summary="Read the open or the closed reports, newest first (moderators)",
    responses=responses(NotAModerator, InvalidRequest),
)
async def reports(
    identity: Moderator,
    session: Transaction,
    state: Annotated[Literal["open", "closed"], Query(description="Which reports.")] = "open",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> ReportPage:
    rows, next_cursor = await moderation.reports(
        session, closed=state == "closed", cursor=cursor, limit=limit
    )
    return ReportPage(reports=[_view(row) for row in rows], next_cursor=next_cursor)


@router.get(
    "/reports/open",
    summary="Count the open reports (moderators)",
    responses=responses(NotAModerator),
)
async def open_reports(identity: Moderator, session: Transaction) -> OpenReports:
    return OpenReports(count=await moderation.count_open_reports(session))


@router.post(
    "/reports/{id}/closure",
    summary="Close a report (moderators)",
    responses=responses(NotAModerator, ReportNotFound, ReportAlreadyClosed),
)
async def close_report(id: Id, body: Closure, identity: Moderator, session: Transaction) -> Ok:
    """The person who reported is notified of it. Only moderators read the note."""
    await moderation.close_report(session, id, body.note, identity.user_id)
    return Ok()


@router.put(
    "/tweets/{id}/hidden",
    summary="Hide a tweet (moderators)",
    responses=responses(NotAModerator, TweetNotFound),
)
async def hide_tweet(id: Id, body: Hiding, identity: Moderator, session: Transaction) -> Ok:
    """The tweet disappears from all lists; in a thread its place stays. Its author is notified, and
    can read the reason."""
    await moderation.hide_tweet(session, id, body.reason, body.note, identity.user_id)
    return Ok()


@router.delete(
    "/tweets/{id}/hidden",
    summary="Restore a hidden tweet (moderators)",
    responses=responses(NotAModerator, TweetNotFound),
)
async def restore_tweet(id: Id, identity: Moderator, session: Transaction) -> Ok:
    await moderation.restore_tweet(session, id, identity.user_id)
    return Ok()


@router.get(
    "/tweets/{id}/hidden",
    summary="Read why a tweet was hidden (its author and moderators)",
    responses=responses(NotAModerator, TweetNotFound, TweetNotHidden),
)
async def hidden_tweet(id: Id, identity: SignedIn, session: Transaction) -> HiddenTweet:
    tweet = await moderation.hidden_tweet(session, id, identity)
    assert tweet.hidden_at is not None and tweet.hidden_reason is not None
    return HiddenTweet(
        tweet_id=id,
        author_id=tweet.author_id,
        reason=ReportReason(tweet.hidden_reason),
        note=tweet.hidden_note or "",
        hidden_at=tweet.hidden_at,
        content=tweet.content,
        created_at=tweet.created_at,
    )


def _view(row: Record) -> ReportView:
    tweet = None
    if row["tweet_id"] is not None and row["posted_at"] is not None:
        tweet = ReportedTweetView(
            id=row["tweet_id"],
            content=row["content"],
            attachments=[] if row["deleted"] else row["attachments"],
            created_at=row["posted_at"],
            hidden=row["hidden_at"] is not None,
            deleted=row["deleted"],
        )
    return ReportView(
        id=row["id"],
        reporter=PersonView(id=row["reporter_id"], name=row["reporter_name"] or ""),
        user=PersonView(id=row["user_id"], name=row["user_name"] or ""),
        tweet=tweet,
        reason=ReportReason(row["reason"]),
        note=row["note"],
        created_at=row["created_at"],
        closed_at=row["closed_at"],
        closure_note=row["closure_note"],
    )
