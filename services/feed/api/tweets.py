"""One tweet: itself, its thread, and the people who like it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from chassis.auth.identity import SignedIn
from chassis.http.errors import InvalidRequest, responses
from chassis.http.models import Id
from chassis.http.paging import MAX_ID, Cursor, Limit

from .. import queries
from ..errors import AuthorLeft, TweetHidden, TweetNotFound, TweetWasDeleted
from ..inbox_listener import Freshness
from ..page_cache import PageKey, ThreadRequest
from .etag_responses import first_page, json_response
from .response_models import LikerPage, SingleTweet, ThreadResponse
from .wait_for_own_writes import WaitedFor, stale_header

router = APIRouter(prefix="/api", tags=["feed"])


@router.get(
    "/tweets/{id}",
    summary="Read a tweet",
    response_model=SingleTweet,
    responses=responses(TweetNotFound, TweetWasDeleted, TweetHidden, AuthorLeft),
)
async def tweet(id: Id, request: Request, identity: SignedIn, freshness: WaitedFor) -> Response:
    connections = request.app.state.connections
    found = await queries.tweets_by_id(connections, identity.user_id, [id], with_parents=True)
    if id not in found:
        raise await queries.missing_tweet(connections, id)
    return json_response(request, b'{"result":true,"tweet":%b}' % found[id], freshness)


@router.get(
    "/tweets/{id}/thread",
    summary="Read a tweet with the tweets above it and the replies below it",
    response_model=ThreadResponse,
    responses=responses(InvalidRequest, TweetNotFound, TweetWasDeleted, TweetHidden, AuthorLeft),
)
async def thread(
    id: Id,
    request: Request,
    identity: SignedIn,
    freshness: WaitedFor,
    around: Annotated[
        int | None,
        Query(
            ge=1,
            le=MAX_ID,
            description="A reply: the first page has this one in its middle. Ignored with `cursor`"
            " and if it is not below the tweet.",
        ),
    ] = None,
    limit: Limit = 50,
    cursor: Annotated[
        str | None,
        Query(
            max_length=200,
            description="`previous_cursor` or `next_cursor` of another page of this thread.",
        ),
    ] = None,
) -> Response:
    """A deleted tweet that has replies is an object with `tombstone`, without author and text."""
    if cursor is None:
        key = PageKey(identity.user_id, ThreadRequest(id, limit, around))
        return await first_page(request, key, freshness)
    body = await request.app.state.page_cache.thread_page(
        identity.user_id, id, limit, cursor=cursor, from_cache=freshness is Freshness.applied
    )
    return json_response(request, body, freshness)


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
    return Response(body, media_type="application/json", headers=stale_header(freshness))
