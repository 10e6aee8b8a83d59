"""The HTTP API of the feed: it validates requests and writes responses."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from chassis import plain_text
from chassis.auth.identity import SignedIn
from chassis.http import etags
from chassis.http.errors import InvalidRequest, responses
from chassis.http.models import Id
from chassis.http.paging import MAX_ID, Cursor, Limit
from chassis.messaging.events import EventId

from . import queries
from .errors import AuthorLeft, TweetHidden, TweetNotFound, TweetWasDeleted
from .page_cache_middleware import AFTER
from .pages import Page, PageKey, PageRequest, ThreadRequest
from .queries import Order, Replies, Scope, Selection
from .read_your_writes import Freshness

STALE = "warble-stale"
"""The response header of a read that does not include the events named by AFTER."""
MAX_AFTER_EVENTS = 16
"""The gateway names no more. Further ones are ignored."""

MAX_IDS = 100
"""How many tweets one request may name."""
MAX_IDS_LENGTH = MAX_IDS * len(f"{MAX_ID},")
_ID = re.compile("[1-9][0-9]{0,15}")

router = APIRouter(prefix="/api", tags=["feed"])
log = structlog.get_logger()


TWEET_EXAMPLE: Any = {
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
    "reply_to": None,
    "root_id": 31,
    "entities": [],
    "reply_count": 2,
    "like_count": 1,
    "liked": False,
}


class PictureView(BaseModel):
    """The URL paths of a person's picture: squares with sides of 48 and 128 pixels at most."""

    small: str
    medium: str


class AuthorView(BaseModel):
    id: int
    name: str
    picture: PictureView | None = Field(None, description="Missing if the person has none.")


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


class EntityView(BaseModel):
    """A part of the text that a page shows as a link. `start` and `length` count code points."""

    type: Literal["mention", "hashtag", "link"]
    start: int
    length: int
    text: str
    """The part of the text itself. If a client finds another text there, it shows no link."""
    user_id: int | None = None
    name: str | None = None
    """The present name of the mentioned person."""
    tag: str | None = None
    """The hashtag for the parameter `tag`: equal for all its spellings."""
    url: str | None = None


class ConversationView(BaseModel):
    """Why a feed with `replies=conversations` shows a tweet: the newest replies in its thread by
    people whom you follow, to people whom you follow."""

    reply_count: int
    person_count: int
    latest_reply_id: int
    people: list[AuthorView]
    """Those who replied last, three at most."""


class ParentView(BaseModel):
    id: int
    author: AuthorView | None
    """Null if the tweet is deleted or its author has left."""


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
    reply_to: int | None
    """The tweet to which this one replies."""
    root_id: int
    """The tweet with which the thread begins; its own id if it is not a reply."""
    entities: list[EntityView]
    reply_count: int
    like_count: int
    liked: bool
    conversation: ConversationView | None = None
    followed_tag: str | None = None
    """A hashtag that you follow, and because of which the feed shows the tweet."""
    in_reply_to: ParentView | None = None
    """Only in lists that contain replies."""


class TombstoneView(BaseModel):
    """The place of a tweet that is deleted or hidden, or whose author has left, in a thread."""

    id: int
    reply_to: int | None
    root_id: int
    tombstone: Literal["deleted", "hidden"]
    hidden_by: Literal["moderator"] | None = None
    """Missing if the tweet is hidden because its author has left."""


class SingleTweet(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"result": True, "tweet": TWEET_EXAMPLE}]}
    )

    result: Literal[True] = True
    tweet: TweetView


class ThreadResponse(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "ancestors": [
                        {"id": 28, "reply_to": None, "root_id": 28, "tombstone": "deleted"}
                    ],
                    "omitted_ancestors": 0,
                    "tweet": {**TWEET_EXAMPLE, "reply_to": 28, "root_id": 28},
                    "replies": [],
                    "previous_cursor": None,
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    ancestors: list[TweetView | TombstoneView]
    """The tweets above it, from the first one down: the root and the nearest ones."""
    omitted_ancestors: int
    """How many tweets between the root and the next ancestor are left out. To read them, request
    the thread of that ancestor."""
    tweet: TweetView | TombstoneView
    replies: list[TweetView | TombstoneView]
    """The replies below it, also those to replies: the author's own continuation first, then the
    oldest first."""
    previous_cursor: str | None
    next_cursor: str | None


class TagView(BaseModel):
    tag: str
    """The hashtag for the parameter `tag`: equal for all its spellings."""
    name: str
    """The spelling that was used first."""
    count: int
    followed: bool


class TagList(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "tags": [{"tag": "релиз", "name": "Релиз", "count": 12, "followed": False}],
                }
            ]
        }
    )

    result: Literal[True] = True
    tags: list[TagView]


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
                    "tweets": [TWEET_EXAMPLE],
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


class Period(StrEnum):
    week = "week"
    month = "month"
    all = "all"


_DAYS = {Period.week: 7, Period.month: 30}

WaitedFor = Annotated[Freshness, Depends(_wait_for_own_writes)]


def _parse_ids(ids: str) -> list[int]:
    """Raises InvalidRequest."""
    numbers = ids.split(",")
    if not all(_ID.fullmatch(number) and int(number) <= MAX_ID for number in numbers):
        raise InvalidRequest(reason="ids: Use numbers from 1 to 2^53 - 1, separated by commas.")
    if len(numbers) > MAX_IDS:
        raise InvalidRequest(reason=f"ids: At most {MAX_IDS} ids are possible.")
    return list(map(int, numbers))


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
        return _json(request, queries.page_body(b",".join(found.values()), None), freshness)
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
            headers=_stale(freshness),
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
    return _json(request, body, freshness)


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
    return _json(request, b'{"result":true,"tweet":%b}' % found[id], freshness)


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
    if cursor is None and around is None:
        key = PageKey(identity.user_id, ThreadRequest(id, limit))
        return await _first_page(request, key, freshness)
    body = await request.app.state.pages.thread_page(
        identity.user_id,
        id,
        limit,
        cursor=cursor,
        around=around,
        from_cache=freshness is Freshness.applied,
    )
    return _json(request, body, freshness)


@router.get("/tags", summary="List hashtags", response_model=TagList)
async def tags(
    request: Request,
    identity: SignedIn,
    freshness: WaitedFor,
    query: Annotated[
        str | None,
        Query(
            max_length=200,
            description=(
                "Hashtags that begin with this, with the numbers of their tweets in the last 30"
                " days. Without it: the hashtags of most tweets in the last 7 days."
            ),
        ),
    ] = None,
    followed: Annotated[
        bool, Query(description="The hashtags that you follow, instead of others.")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=100, description="Maximum number of hashtags.")] = 10,
) -> TagList:
    """The counts are a few seconds behind."""
    state = request.app.state
    own = await state.tags.followed(identity.user_id)
    if followed:
        counts = [(count, count.month) for count in [await state.tags.one(tag) for tag in own]]
    elif query:
        counts = [(count, count.month) for count in await state.tags.matching(query, limit)]
    else:
        counts = [(count, count.week) for count in await state.tags.of_the_week(limit)]
    return TagList(
        tags=[
            TagView(tag=count.tag, name=count.name, count=number, followed=count.tag in own)
            for count, number in counts
        ]
    )


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
    """A page. First pages without replies of their own use the cache."""
    state = request.app.state
    has_conversations = selection.replies is Replies.conversations
    is_first = selection.cursor is None and not selection.offset and selection.limit
    if not is_first or selection.may_contain_replies:
        if has_conversations:
            body = await state.pages.conversation_page(selection)
        else:
            body = await queries.page(state.connections, selection)
        return _json(request, body, freshness)
    page_request = PageRequest(
        selection.order,
        selection.scope,
        selection.author_id,
        selection.limit,
        selection.replies,
        selection.since_id,
    )
    return await _first_page(request, PageKey(selection.reader_id, page_request), freshness)


async def _first_page(request: Request, key: PageKey, freshness: Freshness) -> Response:
    """A first page, from the cache if possible. Its URL is added to the middleware's index."""
    state = request.app.state
    if freshness is Freshness.applied:
        # The first tweet of a period changes with time, so such a URL stands for no fixed page.
        if not isinstance(key.request, PageRequest) or key.request.since_id is None:
            state.url_index.add(request.scope, key.request)
        page = state.pages.cached(key) or await state.pages.assemble(key)
    else:
        page = await state.pages.read_from_database(key)
    return _response(request, page, freshness)


def _json(request: Request, body: bytes, freshness: Freshness) -> Response:
    return _response(request, Page.of(body), freshness)


def _response(request: Request, page: Page, freshness: Freshness) -> Response:
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
