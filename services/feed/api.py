"""The HTTP API of the feed: it validates requests and writes responses."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth.identity import SignedIn
from chassis.http import etags
from chassis.http.errors import InvalidRequest, responses
from chassis.http.models import Id
from chassis.http.paging import MAX_ID, Cursor, Limit
from chassis.messaging.events import EventId

from . import queries
from .errors import TweetNotFound
from .page_cache_middleware import AFTER
from .pages import PageKey, PageRequest
from .queries import Order, Scope, Selection
from .read_your_writes import Freshness

STALE = "warble-stale"
"""The response header of a read that does not include the events named by AFTER."""
MAX_AFTER_EVENTS = 16
"""The gateway names no more. Further ones are ignored."""

router = APIRouter(prefix="/api", tags=["feed"])
log = structlog.get_logger()


class AuthorView(BaseModel):
    id: int
    name: str


class LikeView(BaseModel):
    user_id: int
    name: str


class MediaView(BaseModel):
    """An attachment. `width` and `height` are null for old uploads, whose size was not stored."""

    url: str
    thumbnail: str
    """A small WebP of the picture, at most 48 kB. For an animation it shows the first frame."""
    width: int | None
    height: int | None
    colour: str | None = Field(
        None,
        description="The average colour, as `#rrggbb`, to be shown until the picture is loaded."
        " Missing for old pictures and for those with transparent parts.",
    )
    alt: str


class TweetView(BaseModel):
    # For the OpenAPI document only: `tweet_json` writes the responses.
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
                                    "colour": "#8a7f6d",
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


async def _wait_for_own_writes(request: Request) -> Freshness:
    """Waits for the events that the gateway names. Raises InvalidRequest if they are malformed."""
    after = request.headers.get(AFTER)
    if not after:
        return Freshness.applied
    try:
        events = [EventId.parse(event_id) for event_id in after.split(",")[:MAX_AFTER_EVENTS]]
    except ValueError as error:
        raise InvalidRequest(reason=f"{AFTER}: not a list of event ids.") from error
    state = request.app.state
    freshness: Freshness = await state.inbox_listener.wait_for(
        events, state.settings.own_writes_timeout_seconds
    )
    if freshness is Freshness.timed_out:
        log.warning("own_writes.timed_out", events=after)
    return freshness


WaitedFor = Annotated[Freshness, Depends(_wait_for_own_writes)]


def _stale(freshness: Freshness) -> dict[str, str]:
    return {STALE: "true"} if freshness is Freshness.timed_out else {}


@router.get(
    "/tweets",
    summary="Read your feed",
    response_model=TweetPage,
    responses=responses(InvalidRequest),
)
async def feed(
    request: Request,
    identity: SignedIn,
    freshness: WaitedFor,
    order: Annotated[
        Order,
        Query(description="`popular`: most likes first. `recent`: newest first."),
    ] = Order.popular,
    scope: Annotated[
        Scope,
        Query(description="`following`: you and the people you follow. `everyone`: all people."),
    ] = Scope.following,
    limit: Annotated[
        int | None,
        Query(
            ge=1,
            le=100,
            description="Maximum number of tweets per page. Without paging you get the whole feed.",
        ),
    ] = None,
    offset: Annotated[
        int | None,
        Query(
            ge=1,
            le=MAX_ID,
            description="Page number, starting at 1. Cannot be combined with `cursor`.",
        ),
    ] = None,
    cursor: Cursor = None,
) -> Response:
    """Your own tweets and those of the people you follow.

    Without `limit`, `offset` and `cursor`, the response contains the whole feed, up to 1,000
    tweets.
    """
    if offset is not None and cursor is not None:
        raise InvalidRequest(reason="Use offset or cursor, not both.")
    connections, settings = request.app.state.connections, request.app.state.settings
    if limit is None and offset is None and cursor is None:
        selection = Selection(identity.user_id, order, scope, limit=settings.max_tweets)
        return StreamingResponse(
            await _start(queries.whole_feed(connections, selection)),
            media_type="application/json",
            headers=_stale(freshness),
        )
    limit = limit or 20
    # Pages by number divide the whole feed, and end with it. A cursor leads further.
    skipped = min(((offset or 1) - 1) * limit, settings.max_tweets)
    if offset is not None:
        limit = min(limit, settings.max_tweets - skipped)
    selection = Selection(
        identity.user_id, order, scope, cursor=cursor, offset=skipped, limit=limit
    )
    return await _page(request, selection, freshness)


@router.get(
    "/users/{id}/tweets",
    summary="List a person's tweets, newest first",
    response_model=TweetPage,
    responses=responses(InvalidRequest),
)
async def tweets_by_author(
    id: Id,
    request: Request,
    identity: SignedIn,
    freshness: WaitedFor,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """The list is empty if the person has posted nothing or does not exist."""
    selection = Selection(
        identity.user_id, Order.recent, Scope.everyone, author_id=id, cursor=cursor, limit=limit
    )
    return await _page(request, selection, freshness)


@router.get(
    "/tweets/{id}/likes",
    summary="Who liked a tweet, earliest first",
    response_model=LikerPage,
    responses=responses(InvalidRequest, TweetNotFound),
)
async def likers(
    id: Id,
    request: Request,
    identity: SignedIn,
    freshness: WaitedFor,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    body = await queries.likers(request.app.state.connections, id, cursor, limit)
    return Response(body, media_type="application/json", headers=_stale(freshness))


async def _page(request: Request, selection: Selection, freshness: Freshness) -> Response:
    """A page. First pages use the cache, and their URL is added to the middleware's index."""
    state = request.app.state
    if selection.cursor is not None or selection.offset or not selection.limit:
        body = await queries.page(state.connections, selection)
        return Response(body, media_type="application/json", headers=_stale(freshness))
    page_request = PageRequest(
        selection.order, selection.scope, selection.author_id, selection.limit
    )
    key = PageKey(selection.reader_id, page_request)
    if freshness is Freshness.applied:
        state.url_index.add(request.scope, page_request)
        page = state.pages.cached(key) or await state.pages.assemble(key)
    else:
        page = await state.pages.read_from_database(key)
    headers = {**_stale(freshness), "etag": page.etag, "cache-control": "private, no-cache"}
    if etags.matches(request.headers.get("if-none-match"), page.etag):
        return Response(status_code=304, headers=headers)
    return Response(page.body, media_type="application/json", headers=headers)


async def _start(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Reads the first chunk before the response begins, so that a failure until then can still be
    an error response. Returns all chunks."""
    first = await anext(chunks)

    async def all_chunks() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_chunks()
