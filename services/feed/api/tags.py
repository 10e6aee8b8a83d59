"""Hashtags: the popular ones, those that a reader follows, and those with a prefix."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import SignedIn

from .wait_for_own_writes import WaitedFor

router = APIRouter(prefix="/api", tags=["feed"])


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
