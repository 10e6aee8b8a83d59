"""HTTP in, HTTP out: no SQL, no rules."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, ConfigDict, Field

from chassis.app import Done, Id
from chassis.database import Transaction
from chassis.errors import InvalidRequest, responses
from chassis.identity import HEADER, SignedIn
from chassis.paging import MAX_ID

from . import commands
from .errors import (
    IdempotencyKeyReused,
    MediaNotFound,
    MediaTaken,
    NotTheAuthor,
    NotYourMedia,
    TextNotAccepted,
    TooManyImages,
    TweetAlreadyDeleted,
    TweetEmpty,
    TweetNotFound,
    TweetTooLong,
)

router = APIRouter(prefix="/api/tweets", tags=["tweets"])

DRAFT_NAME = "^[!-~]{1,100}$"


class TweetDraft(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"tweet_data": "Готово: the new office is open!", "tweet_media_ids": [12]}]
        }
    )

    tweet_data: str = Field(description="The text.")
    tweet_media_ids: list[Annotated[int, Field(ge=1, le=MAX_ID)]] | None = Field(
        default=None, max_length=100, description="Pictures that the author uploaded before."
    )
    draft_id: str | None = Field(
        default=None,
        pattern=DRAFT_NAME,
        description=(
            "A name of the author's own for this draft. Posting it again, after an answer that was "
            "lost, gives the tweet that it became and makes no other. The header Idempotency-Key "
            "names it as well."
        ),
    )


class TweetAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True, "tweet_id": 31}]})

    result: Literal[True] = True
    tweet_id: int


async def _checked(draft: TweetDraft, identity: SignedIn, request: Request) -> TweetDraft:
    """The draft as it is stored. It asks media for missing records before a transaction begins."""
    media_ids = draft.tweet_media_ids or []
    state = request.app.state
    content = commands.clean_draft(draft.tweet_data, media_ids, state.settings)
    if media_ids:
        await state.media.learn(state.database, media_ids, request.headers[HEADER])
    return draft.model_copy(update={"tweet_data": content})


@router.post(
    "",
    status_code=201,
    summary="Post a tweet",
    responses=responses(
        NotYourMedia,
        MediaNotFound,
        MediaTaken,
        TweetEmpty,
        TweetTooLong,
        TextNotAccepted,
        TooManyImages,
        IdempotencyKeyReused,
        TweetAlreadyDeleted,
    ),
)
async def post_tweet(
    draft: Annotated[TweetDraft, Depends(_checked)],
    identity: SignedIn,
    session: Transaction,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=DRAFT_NAME,
            description=(
                "A name of the author's own for this request, which posts once however often it "
                "is sent. With another text or other pictures it is refused."
            ),
        ),
    ] = None,
) -> TweetAnswer:
    if idempotency_key and draft.draft_id not in (None, idempotency_key):
        raise InvalidRequest(reason="The draft has two names: draft_id and Idempotency-Key differ.")
    tweet_id = await commands.post_tweet(
        session,
        identity.user_id,
        draft.tweet_data,
        draft.tweet_media_ids or [],
        idempotency_key or draft.draft_id,
        unchanged=idempotency_key is not None,
    )
    return TweetAnswer(tweet_id=tweet_id)


@router.delete(
    "/{id}", summary="Delete one's own tweet", responses=responses(NotTheAuthor, TweetNotFound)
)
async def delete_tweet(id: Id, identity: SignedIn, session: Transaction) -> Done:
    await commands.delete_tweet(session, id, by=identity.user_id)
    return Done()


@router.post("/{id}/likes", summary="Like a tweet", responses=responses(TweetNotFound))
async def like_tweet(id: Id, identity: SignedIn, session: Transaction) -> Done:
    await commands.like_tweet(session, id, identity.user_id)
    return Done()


@router.delete("/{id}/likes", summary="Take a like back", responses=responses(TweetNotFound))
async def unlike_tweet(id: Id, identity: SignedIn, session: Transaction) -> Done:
    await commands.unlike_tweet(session, id, identity.user_id)
    return Done()
