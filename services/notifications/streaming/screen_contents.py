"""`POST /api/stream/watching`: a page tells its stream what it shows.

The api process serves this, and PostgreSQL notifies the stream processes. The one that has the
stream acts, so the gateway need not know which one it is.
"""

import json
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth.identity import SignedIn
from chassis.database.session import Transaction, fetch
from chassis.http.models import Ok
from chassis.http.paging import MAX_ID

from .connections import MAX_THREADS, MAX_TWEETS

_NOTIFY = "select pg_notify($1, $2)"

router = APIRouter(prefix="/api/stream", tags=["notifications"])

TweetId = Annotated[int, Field(ge=1, le=MAX_ID)]


class Watching(BaseModel):
    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "stream": "q8wJ4c0Zk1mT5sXyB2nVrA",
                    "tweets": [31, 32],
                    "threads": [],
                    "everyone": False,
                }
            ]
        },
    )

    stream: Annotated[str, Field(min_length=1, max_length=100)]
    """The name of the stream, from its event `welcome`."""
    tweets: Annotated[list[TweetId], Field(max_length=MAX_TWEETS)] = []
    """Tweets that are on the screen: the stream tells when their counts change."""
    threads: Annotated[list[TweetId], Field(max_length=MAX_THREADS)] = []
    """Threads that are on the screen, by their first tweets: the stream tells of new replies."""
    everyone: bool = False
    """Whether the stream tells of everybody's new tweets."""


@router.post("/watching", summary="Set which tweets and threads are on the screen")
async def watch(watching: Watching, identity: SignedIn, session: Transaction) -> Ok:
    """Replaces what an earlier request named. The stream sends the present counts of tweets that
    are new in the list. A stream that is not open, or not yours, is ignored."""
    payload = json.dumps({**watching.model_dump(), "user_id": identity.user_id})
    await fetch(session, _NOTIFY, f"{session.info['service']}_watching", payload)
    return Ok()
