"""The records of pictures, for tweets: a tweet may name a picture whose event has not arrived."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from chassis.auth.identity import IDENTITY_HEADER
from chassis.database.session import request_transaction
from chassis.http.paging import MAX_ID

from .. import queries

MAX_IDS = 100

router = APIRouter(prefix="/internal", include_in_schema=False)


class MediaRecord(BaseModel):
    id: int
    owner_id: int
    path: str
    thumbnail: str
    width: int
    height: int
    colour: str | None
    alt: str


class MediaRecords(BaseModel):
    media: list[MediaRecord]


async def _require_tweets(request: Request) -> None:
    """Checks that tweets made the request, with an identity that the gateway signed for it."""
    request.app.state.tweets_verifier.verify(request.headers.get(IDENTITY_HEADER, ""))


@router.get("/media", dependencies=[Depends(_require_tweets)])
async def media_records(
    ids: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_ID)]],
        Query(min_length=1, max_length=MAX_IDS),
    ],
    request: Request,
) -> MediaRecords:
    async with request_transaction(request) as session:
        rows = await queries.media_by_ids(session, ids)
    return MediaRecords(
        media=[
            MediaRecord(
                id=media.id,
                owner_id=media.owner_id,
                path=media.path,
                thumbnail=media.thumbnail_path,
                width=media.width,
                height=media.height,
                colour=media.colour,
                alt=media.alt,
            )
            for media in rows
        ]
    )
