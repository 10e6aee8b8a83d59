"""Pinned tweets."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from chassis.auth.identity import SignedIn
from chassis.database.session import DirectTransaction
from chassis.http.errors import responses
from chassis.http.models import Id, Ok

from .. import pins
from ..errors import NotYourTweet, TooManyPins, TweetNotFound

router = APIRouter(prefix="/api", tags=["tweets"])


class Pins(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"result": True, "tweet_ids": [31, 12]}]}
    )

    result: Literal[True] = True
    tweet_ids: list[int]
    """The latest pin first. `GET /api/tweets?ids=` reads the tweets themselves."""


@router.put(
    "/tweets/{id}/pin",
    summary="Pin your own tweet to your profile",
    responses=responses(NotYourTweet, TweetNotFound, TooManyPins),
)
async def pin_tweet(id: Id, identity: SignedIn, session: DirectTransaction) -> Ok:
    await pins.pin_tweet(session, identity.user_id, id)
    return Ok()


@router.delete("/tweets/{id}/pin", summary="Take a pinned tweet off your profile")
async def unpin_tweet(id: Id, identity: SignedIn, session: DirectTransaction) -> Ok:
    await pins.unpin_tweet(session, identity.user_id, id)
    return Ok()


@router.get("/users/{id}/pins", summary="List the tweets that a person has pinned")
async def pinned_tweets(id: Id, identity: SignedIn, session: DirectTransaction) -> Pins:
    """Without deleted and hidden tweets."""
    return Pins(tweet_ids=await pins.pins(session, id))
