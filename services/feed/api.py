"""HTTP in, HTTP out: no SQL, no rules."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from chassis import etags
from chassis.app import Id
from chassis.errors import InvalidRequest, responses
from chassis.events import EventId
from chassis.identity import SignedIn
from chassis.paging import MAX_ID, Cursor, Limit

from . import queries
from .arrivals import Arrival
from .errors import TweetNotFound
from .pages import Asked, Key
from .queries import Order, Scope, Selection
from .recall import AFTER

STALE = "warble-stale"
"""The response header of an answer that could not wait for them any longer."""
AFTER_AT_MOST = 16

router = APIRouter(prefix="/api", tags=["feed"])
log = structlog.get_logger()


class AuthorView(BaseModel):
    id: int
    name: str


class LikeView(BaseModel):
    user_id: int
    name: str


class MediaView(BaseModel):
    """One of the attachments. Its size is not known where it was sent before sizes were kept."""

    url: str
    thumbnail: str
    """A small WebP of it, at most 48 kB; of an animation, the first frame."""
    width: int | None
    height: int | None
    alt: str


class TweetView(BaseModel):
    id: int
    content: str
    attachments: list[str]
    author: AuthorView
    likes: list[LikeView]
    created_at: datetime
    stamp: datetime
    media: list[MediaView]
    like_count: int
    liked: bool


class LikerPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "users": [{"id": 3, "name": "Boris Gray"}],
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    users: list[AuthorView]
    next_cursor: str | None


class TweetPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "tweets": [
                        {
                            "id": 31,
                            "content": "Готово: the new office is open!",
                            "attachments": ["/uploads/Zk3vX1pQ9sYtB0aWcR7uLg.jpg"],
                            "author": {"id": 7, "name": "Анна Ким"},
                            "likes": [{"user_id": 3, "name": "Boris Gray"}],
                            "created_at": "2026-11-23T09:30:00.123456Z",
                            "stamp": "2026-11-23T09:30:00.123456Z",
                            "media": [
                                {
                                    "url": "/uploads/Zk3vX1pQ9sYtB0aWcR7uLg.jpg",
                                    "thumbnail": "/uploads/mB8nT2wE5rXcK7dJ0vHqYg.webp",
                                    "width": 1280,
                                    "height": 960,
                                    "alt": "The new office, from the street",
                                }
                            ],
                            "like_count": 1,
                            "liked": False,
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    tweets: list[TweetView]
    next_cursor: str | None


async def _own_writes(request: Request) -> Arrival:
    """Waits for the events that the gateway names."""
    named = request.headers.get(AFTER)
    if not named:
        return Arrival.heard
    try:
        events = [EventId.parse(name) for name in named.split(",")[:AFTER_AT_MOST]]
    except ValueError as error:
        raise InvalidRequest(reason=f"{AFTER}: not a list of events.") from error
    state = request.app.state
    arrival: Arrival = await state.arrivals.wait(events, state.settings.own_writes_seconds)
    if arrival is Arrival.late:
        log.warning("own_writes.late", events=named)
    return arrival


OwnWrites = Annotated[Arrival, Depends(_own_writes)]


def _stale(arrival: Arrival) -> dict[str, str]:
    return {STALE: "true"} if arrival is Arrival.late else {}


@router.get(
    "/tweets",
    summary="The reader's feed",
    response_model=TweetPage,
    responses=responses(InvalidRequest),
)
async def feed(
    request: Request,
    identity: SignedIn,
    arrival: OwnWrites,
    order: Order = Order.popular,
    scope: Scope = Scope.following,
    limit: Annotated[
        int | None, Query(ge=1, le=100, description="How many to give; missing: the whole feed.")
    ] = None,
    offset: Annotated[
        int | None, Query(ge=1, le=MAX_ID, description="The number of the page, from 1.")
    ] = None,
    cursor: Cursor = None,
) -> Response:
    """Tweets by the people whom the reader follows, and the reader's own.

    With neither `limit` nor `offset` nor `cursor`: the whole feed, up to 1,000 tweets.
    """
    if offset is not None and cursor is not None:
        raise InvalidRequest(reason="A page is named by offset or by cursor, not by both.")
    connections, settings = request.app.state.connections, request.app.state.settings
    if limit is None and offset is None and cursor is None:
        selection = Selection(identity.user_id, order, scope, limit=settings.whole)
        return StreamingResponse(
            await _started(queries.whole(connections, selection)),
            media_type="application/json",
            headers=_stale(arrival),
        )
    limit = limit or 20
    # Pages by number cut the same list that the whole feed is; a cursor goes on beyond it.
    skipped = min(((offset or 1) - 1) * limit, settings.whole)
    if offset is not None:
        limit = min(limit, settings.whole - skipped)
    selection = Selection(
        identity.user_id, order, scope, cursor=cursor, offset=skipped, limit=limit
    )
    return await _page(request, selection, arrival)


@router.get(
    "/users/{id}/tweets",
    summary="A person's tweets, the newest first",
    response_model=TweetPage,
    responses=responses(InvalidRequest),
)
async def tweets_by_author(
    id: Id,
    request: Request,
    identity: SignedIn,
    arrival: OwnWrites,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """A person who has written nothing, or is not there, has none: see their profile."""
    selection = Selection(
        identity.user_id, Order.recent, Scope.everyone, author_id=id, cursor=cursor, limit=limit
    )
    return await _page(request, selection, arrival)


@router.get(
    "/tweets/{id}/likes",
    summary="Who likes a tweet, the first first",
    response_model=LikerPage,
    responses=responses(InvalidRequest, TweetNotFound),
)
async def likers(
    id: Id,
    request: Request,
    identity: SignedIn,
    arrival: OwnWrites,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    body = await queries.likers(request.app.state.connections, id, cursor, limit)
    return Response(body, media_type="application/json", headers=_stale(arrival))


async def _page(request: Request, selection: Selection, arrival: Arrival) -> Response:
    """A page; a first one is kept, and so is which address stands for it."""
    state = request.app.state
    if selection.cursor is not None or selection.offset or not selection.limit:
        body = await queries.page(state.connections, selection)
        return Response(body, media_type="application/json", headers=_stale(arrival))
    asked = Asked(selection.order, selection.scope, selection.author_id, selection.limit)
    key = Key(selection.reader_id, asked)
    if arrival is Arrival.heard:
        state.addresses.note(request.scope, asked)
        page = state.pages.at_hand(key) or await state.pages.made(key)
    else:
        page = await state.pages.read(key)
    headers = {**_stale(arrival), "etag": page.etag, "cache-control": "private, no-cache"}
    if etags.matches(request.headers.get("if-none-match"), page.etag):
        return Response(status_code=304, headers=headers)
    return Response(page.body, media_type="application/json", headers=headers)


async def _started(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks, the first of them at hand: what fails by then is still an error answer."""
    first = await anext(chunks)

    async def all_of_them() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_of_them()
