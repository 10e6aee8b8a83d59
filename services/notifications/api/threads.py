"""Following and muting of threads."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from chassis.auth.identity import SignedIn
from chassis.database.session import DirectTransaction
from chassis.http.errors import responses
from chassis.http.models import Id, Ok

from .. import commands, queries
from ..errors import TooManyThreads, TweetNotFound
from .responses import example
from .wait_for_own_writes import after_own_writes

router = APIRouter(prefix="/api", tags=["notifications"])


class Mute(BaseModel):
    model_config = example({"mentions": True})

    mentions: bool = Field(
        default=False, strict=True, description="Whether mentions of you are muted too."
    )


class SubscriptionResponse(BaseModel):
    model_config = example({"result": True, "thread_id": 28, "state": "muted", "mentions": False})

    result: Literal[True] = True
    thread_id: int
    """The tweet with which the thread begins."""
    state: Literal["none", "followed", "muted"]
    mentions: bool
    """Whether mentions of you are muted too."""


async def _thread_of_tweet(
    id: Id, request: Request, identity: SignedIn, _waited: Annotated[None, after_own_writes]
) -> queries.ThreadState:
    """Raises TweetNotFound."""
    return await queries.thread_state(request.app.state.connections.fetch, identity.user_id, id)


ThreadOfTweet = Annotated[queries.ThreadState, Depends(_thread_of_tweet)]


@router.post(
    "/tweets/{id}/mute",
    summary="Mute a thread",
    responses=responses(TweetNotFound, TooManyThreads),
)
async def mute_thread(
    thread: ThreadOfTweet, identity: SignedIn, session: DirectTransaction, body: Mute | None = None
) -> Ok:
    """Hides the notifications of the whole thread of the tweet, also earlier ones. Mentions of you
    are still listed, unless you mute them too. You no longer follow the thread."""
    mentions = body is not None and body.mentions
    await commands.mute_thread(session, identity.user_id, thread.thread_id, mentions=mentions)
    return Ok()


@router.delete(
    "/tweets/{id}/mute",
    summary="Unmute a thread",
    responses=responses(TweetNotFound),
)
async def unmute_thread(
    thread: ThreadOfTweet, identity: SignedIn, session: DirectTransaction
) -> Ok:
    """The notifications that were hidden are listed again."""
    await commands.unmute_thread(session, identity.user_id, thread.thread_id)
    return Ok()


@router.post(
    "/tweets/{id}/subscription",
    summary="Follow a thread",
    responses=responses(TweetNotFound, TooManyThreads),
)
async def follow_thread(
    thread: ThreadOfTweet, identity: SignedIn, session: DirectTransaction
) -> Ok:
    """You are notified of new tweets in the thread of the tweet. The thread is no longer muted."""
    await commands.follow_thread(session, identity.user_id, thread.thread_id)
    return Ok()


@router.delete(
    "/tweets/{id}/subscription",
    summary="Unfollow a thread",
    responses=responses(TweetNotFound),
)
async def unfollow_thread(
    thread: ThreadOfTweet, identity: SignedIn, session: DirectTransaction
) -> Ok:
    await commands.unfollow_thread(session, identity.user_id, thread.thread_id)
    return Ok()


@router.get(
    "/tweets/{id}/subscription",
    summary="Whether you follow or mute a thread",
    responses=responses(TweetNotFound),
)
async def subscription(thread: ThreadOfTweet) -> SubscriptionResponse:
    return SubscriptionResponse(
        thread_id=thread.thread_id, state=thread.state, mentions=thread.mentions_muted
    )
