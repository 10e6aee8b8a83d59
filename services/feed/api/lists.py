"""Lists of tweets: the feed, a person's tweets, and the tweets that a person likes."""

import re
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from chassis import plain_text
from chassis.auth.identity import SignedIn
from chassis.http.errors import InvalidRequest, responses
from chassis.http.models import Id
from chassis.http.paging import MAX_ID, Cursor, Limit

from .. import queries
from ..inbox_listener import Freshness
from ..page_cache import PageKey, PageRequest
from ..selections import Order, Replies, Scope, Selection
from .etag_responses import first_page, json_response
from .response_models import TweetPage
from .wait_for_own_writes import WaitedFor, stale_header

MAX_IDS = 100
"""How many tweets one request may name."""
MAX_IDS_LENGTH = MAX_IDS * len(f"{MAX_ID},")
_ID = re.compile("[1-9][0-9]{0,15}")

router = APIRouter(prefix="/api", tags=["feed"])


class Period(StrEnum):
    week = "week"
    month = "month"
    all = "all"


_DAYS = {Period.week: 7, Period.month: 30}


def _parse_ids(ids: str) -> list[int]:
    """Raises InvalidRequest."""
    numbers = ids.split(",")
    if not all(_ID.fullmatch(number) and int(number) <= MAX_ID for number in numbers):
        raise InvalidRequest(reason="ids: Use numbers from 1 to 2^53 - 1, separated by commas.")
    if len(numbers) > MAX_IDS:
        raise InvalidRequest(reason=f"ids: At most {MAX_IDS} ids are possible.")
    return list(map(int, numbers))


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
    replies: Annotated[
        Replies,
        Query(
            description=(
                "`none`: no replies. `conversations`: also tweets to which people whom you follow"
                " have replied to each other or to you, and tweets with hashtags that you follow;"
                " newest activity first instead of newest first. `all`: also every reply by"
                " itself. For `scope=everyone`, `conversations` is the same as `none`."
            )
        ),
    ] = Replies.none,
    tag: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=200,
            pattern=r"^[^\x00]*$",
            description=(
                "Only tweets with this hashtag, by everyone, replies among them. `popular` sorts"
                " the newest 1,000 of them."
            ),
        ),
    ] = None,
    since: Annotated[
        Period,
        Query(
            description=(
                "For `order=popular`: only tweets of the last 7 or 30 days. Of each author the"
                " newest 500 are considered, of everyone the newest 20,000."
            )
        ),
    ] = Period.all,
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
    ids: Annotated[
        str | None,
        Query(
            max_length=MAX_IDS_LENGTH,
            examples=["31,28,30"],
            description=(
                "Instead of a feed, the tweets with these ids, in this order: numbers separated by"
                " commas, at most 100. Tweets that you cannot read are left out. All other"
                " parameters are ignored."
            ),
        ),
    ] = None,
) -> Response:
    """Your own tweets and those of the people you follow.

    Without `limit`, `offset`, `cursor` and `ids`, the response contains the whole feed, up to 1,000
    tweets. Pages with `replies=conversations` have a cursor and no number.
    """
    if ids is not None:
        found = await queries.tweets_by_id(
            request.app.state.connections, identity.user_id, _parse_ids(ids), with_parents=True
        )
        return json_response(request, queries.page_body(b",".join(found.values()), None), freshness)
    if offset is not None and cursor is not None:
        raise InvalidRequest(reason="Use offset or cursor, not both.")
    connections, settings = request.app.state.connections, request.app.state.settings
    if scope is Scope.everyone and replies is Replies.conversations:
        replies = Replies.none
    filters: dict[str, Any] = {"replies": replies}
    if tag is not None:
        filters = {"tag": plain_text.fold(tag.removeprefix("#"))}
    elif order is Order.popular and since is not Period.all:
        filters["since_id"] = await request.app.state.periods.first_id(_DAYS[since])
    has_conversations = filters.get("replies") is Replies.conversations
    if has_conversations and offset is not None:
        raise InvalidRequest(reason="Use cursor, not offset, with replies=conversations.")
    if limit is None and offset is None and cursor is None and not has_conversations:
        selection = Selection(identity.user_id, order, scope, limit=settings.max_tweets, **filters)
        return StreamingResponse(
            await _start(queries.whole_feed(connections, selection)),
            media_type="application/json",
            headers=stale_header(freshness),
        )
    limit = limit or 20
    # Pages by number divide the whole feed, and end with it. A cursor leads further.
    skipped = min(((offset or 1) - 1) * limit, settings.max_tweets)
    if offset is not None:
        limit = min(limit, settings.max_tweets - skipped)
    selection = Selection(
        identity.user_id, order, scope, cursor=cursor, offset=skipped, limit=limit, **filters
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
    replies: Annotated[
        Replies,
        Query(description="`none`: no replies. `all` and `conversations`: replies too."),
    ] = Replies.none,
    media: Annotated[
        bool, Query(description="Only tweets with pictures, replies among them.")
    ] = False,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """The list is empty if the person has posted nothing or does not exist."""
    selection = Selection(
        identity.user_id,
        Order.recent,
        Scope.everyone,
        author_id=id,
        cursor=cursor,
        limit=limit,
        replies=Replies.none if replies is Replies.none else Replies.all,
        only_media=media,
    )
    return await _page(request, selection, freshness)


@router.get(
    "/users/{id}/likes",
    summary="List the tweets that a person likes, latest like first",
    response_model=TweetPage,
    responses=responses(InvalidRequest),
)
async def liked_tweets(
    id: Id,
    request: Request,
    identity: SignedIn,
    freshness: WaitedFor,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """The list is empty if the person likes nothing or does not exist."""
    body = await queries.liked_tweets(
        request.app.state.connections, identity.user_id, id, cursor, limit
    )
    return json_response(request, body, freshness)


async def _page(request: Request, selection: Selection, freshness: Freshness) -> Response:
    """A page. First pages without replies of their own use the cache."""
    state = request.app.state
    has_conversations = selection.replies is Replies.conversations
    is_first = selection.cursor is None and not selection.offset and selection.limit
    if not is_first or selection.may_contain_replies:
        if has_conversations:
            body = await state.page_cache.conversation_page(selection)
        else:
            body = await queries.page(state.connections, selection)
        return json_response(request, body, freshness)
    page_request = PageRequest(
        selection.order,
        selection.scope,
        selection.author_id,
        selection.limit,
        selection.replies,
        selection.since_id,
    )
    return await first_page(request, PageKey(selection.reader_id, page_request), freshness)


async def _start(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Reads the first chunk before the response begins, so that a failure until then can still be
    an error response. Returns all chunks."""
    first = await anext(chunks)

    async def all_chunks() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_chunks()
