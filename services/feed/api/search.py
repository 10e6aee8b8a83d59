"""The search for tweets."""

import json
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import SignedIn
from chassis.http.errors import InvalidRequest, responses
from chassis.http.paging import Cursor, Limit

from ..errors import (
    SearchContentExpected,
    SearchDateExpected,
    SearchEmpty,
    SearchKindExpected,
    SearchPersonAmbiguous,
    SearchPersonExpected,
    SearchPersonUnknown,
    SearchTooLong,
    TimeZoneUnknown,
)
from ..search_query import parse
from ..selections import Order
from .response_models import TWEET_EXAMPLE, AuthorView, TweetView
from .wait_for_own_writes import WaitedFor, stale_header

MAX_QUERY_LENGTH = 500

router = APIRouter(prefix="/api", tags=["feed"])


class Highlight(BaseModel):
    """A part of the text that the query has found. `start` and `length` count code points."""

    start: int
    length: int


class FoundTweet(TweetView):
    highlights: list[Highlight]


class ChoiceView(BaseModel):
    """A name in the query that several people have: the search finds the tweets of all of them. To
    choose one, write the id in place of the name, such as `from:7`."""

    operator: Literal["from", "to"]
    value: str
    people: list[AuthorView]


class SearchPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "tweets": [{**TWEET_EXAMPLE, "highlights": [{"start": 16, "length": 6}]}],
                    "next_cursor": None,
                    "choices": [],
                    "only_common_words": False,
                }
            ]
        }
    )

    result: Literal[True] = True
    tweets: list[FoundTweet]
    next_cursor: str | None
    choices: list[ChoiceView]
    only_common_words: bool
    """Whether the query has only words such as “the”, which nearly every text has. With other words
    they are left out."""


@router.get(
    "/search",
    summary="Search tweets",
    response_model=SearchPage,
    responses=responses(
        InvalidRequest,
        SearchEmpty,
        SearchTooLong,
        SearchPersonExpected,
        SearchPersonUnknown,
        SearchPersonAmbiguous,
        SearchContentExpected,
        SearchKindExpected,
        SearchDateExpected,
        TimeZoneUnknown,
    ),
)
async def search(
    request: Request,
    identity: SignedIn,
    freshness: WaitedFor,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=MAX_QUERY_LENGTH,
            pattern=r"^[^\x00]*$",
            description=(
                'Words in any of their forms, in Russian and English; `"a phrase"`, `-without`,'
                " `one or another`, `#tag`, `from:me`, `from:@name`, `to:me`, `has:image`,"
                " `has:link`, `is:reply`, `before:2026-11-29`, `after:2026-11`, `during:today`."
                " Each filter can be excluded with `-`, and has a Russian name too, such as"
                " `от:меня` or `за:сегодня`."
            ),
        ),
    ],
    order: Annotated[
        Order,
        Query(description="`recent`: newest first. `popular`: the newest 1,000, most likes first."),
    ] = Order.recent,
    time_zone: Annotated[
        str, Query(max_length=64, description="Where the days of the query begin and end.")
    ] = "UTC",
    prefix: Annotated[
        bool,
        Query(description="The last word may be unfinished, as while a person is typing."),
    ] = False,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """Finds tweets and replies of all people, also in forms of a word that differ from the query's.

    `ё` and `е` are equal. A search considers whole words, so `art` does not find `party`.
    """
    zone = _time_zone(time_zone)
    query = parse(q, datetime.now(zone).date(), prefix=prefix)
    service = request.app.state.search
    prepared = await service.prepare(query, identity.user_id, zone)
    page = await service.page(prepared, identity.user_id, order, cursor, limit)
    choices = [
        {
            "operator": choice.operator,
            "value": choice.value,
            "people": [person._asdict() for person in choice.people],
        }
        for choice in prepared.choices
    ]
    body = b'{"result":true,"tweets":[%b],"next_cursor":%b,"choices":%b,"only_common_words":%b}' % (
        b",".join(page.tweets),
        page.next_cursor,
        json.dumps(choices, ensure_ascii=False).encode(),
        b"true" if prepared.only_common_words else b"false",
    )
    return Response(body, media_type="application/json", headers=stale_header(freshness))


def _time_zone(name: str) -> ZoneInfo:
    """Raises TimeZoneUnknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimeZoneUnknown from error
