"""Posting, deleting and liking tweets, and hashtags that a person follows."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth.identity import IDENTITY_HEADER, Identity, SignedIn
from chassis.database.session import (
    AnySession,
    Autocommit,
    DirectTransaction,
    request_direct_transaction,
)
from chassis.http.errors import InvalidRequest, responses
from chassis.http.models import Id, Ok
from chassis.http.paging import MAX_ID
from chassis.process.direct_writes import DirectWrite

from .. import commands, entities
from ..commands import NewTweet, Posted
from ..entities import AmbiguousMention, Mention
from ..errors import (
    IdempotencyKeyReused,
    MediaNotFound,
    MediaTaken,
    MentionNotAccepted,
    NotTheAuthor,
    NotYourMedia,
    RepliesRestricted,
    TagNotAccepted,
    TextNotAccepted,
    TooManyImages,
    TooManyMentions,
    TooManyTags,
    TweetAlreadyDeleted,
    TweetEmpty,
    TweetNotFound,
    TweetTooLong,
)
from ..models import WhoMayReply
from ..settings import Settings

router = APIRouter(prefix="/api", tags=["tweets"])

DRAFT_ID_PATTERN = "^[!-~]{1,100}$"


class TweetDraft(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tweet_data": "Готово: the new office is open!"}]}
    )

    tweet_data: str = Field(description="The text of the tweet.")
    tweet_media_ids: list[Annotated[int, Field(ge=1, le=MAX_ID)]] | None = Field(
        default=None,
        max_length=100,
        description="The ids of your uploaded pictures, as `POST /api/medias` returned them.",
    )
    reply_to: int | None = Field(
        default=None, ge=1, le=MAX_ID, description="The id of the tweet to which this one replies."
    )
    mentions: list[Mention] | None = Field(
        default=None,
        max_length=100,
        description=(
            "The people whom the text mentions. If you leave it out, a mention is `@` followed by"
            " the full name of exactly one person."
        ),
    )
    replies: WhoMayReply = Field(
        default=WhoMayReply.everyone,
        description=(
            "Who may reply: everyone, the people whom you follow, or nobody. You always may. On the"
            " first tweet of a thread it applies to the whole thread."
        ),
    )
    draft_id: str | None = Field(
        default=None,
        pattern=DRAFT_ID_PATTERN,
        description=(
            "An id that the client chooses for this draft. If the response was lost, post the draft"
            " again with the same id: you get the id of the first tweet, and no second tweet is"
            " created. The header Idempotency-Key does the same."
        ),
    )


class Tag(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"tag": "релиз"}]})

    tag: str = Field(max_length=1_000, description="A hashtag, with or without `#`.")


class TweetResponse(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True, "tweet_id": 31}]})

    result: Literal[True] = True
    tweet_id: int
    ambiguous: list[AmbiguousMention] | None = Field(
        default=None,
        description=(
            "Names in the text that several people have: the tweet mentions none of them. Missing"
            " if there are none."
        ),
    )


async def _prepare_draft(draft: TweetDraft, identity: SignedIn, request: Request) -> TweetDraft:
    """The draft with the text to store. Fetches missing media records before the transaction."""
    media_ids = draft.tweet_media_ids or []
    state = request.app.state
    content = commands.clean_draft(draft.tweet_data, media_ids, state.settings)
    if media_ids:
        await state.media_client.fetch_missing_records(
            state.database, media_ids, request.headers[IDENTITY_HEADER]
        )
    return draft.model_copy(update={"tweet_data": content})


@router.post(
    "/tweets",
    status_code=201,
    summary="Post a tweet",
    response_model_exclude_none=True,
    responses=responses(
        NotYourMedia,
        MediaNotFound,
        MediaTaken,
        TweetNotFound,
        RepliesRestricted,
        MentionNotAccepted,
        TooManyMentions,
        TweetEmpty,
        TweetTooLong,
        TextNotAccepted,
        TooManyImages,
        IdempotencyKeyReused,
        TweetAlreadyDeleted,
    ),
)
async def post_tweet(
    draft: Annotated[TweetDraft, Depends(_prepare_draft)],
    identity: SignedIn,
    request: Request,
    session: Autocommit,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=DRAFT_ID_PATTERN,
            description=(
                "An id that the client chooses for this request. However often the request is sent,"
                " it creates one tweet. With a different text or different pictures it is refused."
            ),
        ),
    ] = None,
) -> TweetResponse:
    if idempotency_key and draft.draft_id not in (None, idempotency_key):
        raise InvalidRequest(
            reason="draft_id and Idempotency-Key differ. Send the same value in both, or only one."
        )
    new = _new_tweet(draft)
    draft_id = idempotency_key or draft.draft_id
    posted = await commands.post_tweet_at_once(session, identity.user_id, new, draft_id)
    if posted is None:
        async with request_direct_transaction(request) as transaction:
            posted = await commands.post_tweet(
                transaction,
                identity.user_id,
                new,
                draft_id,
                must_match=idempotency_key is not None,
            )
    return _response(posted)


def _new_tweet(draft: TweetDraft) -> NewTweet:
    return NewTweet(
        draft.tweet_data,
        draft.tweet_media_ids or [],
        draft.reply_to,
        draft.mentions,
        draft.replies,
    )


def _response(posted: Posted) -> TweetResponse:
    return TweetResponse(tweet_id=posted.tweet_id, ambiguous=list(posted.ambiguous) or None)


async def _post_at_once(
    settings: Settings, draft: TweetDraft, identity: Identity, session: AnySession
) -> TweetResponse | None:
    """None if posting the draft may take more than one statement."""
    content = commands.clean_draft(draft.tweet_data, draft.tweet_media_ids or [], settings)
    new = _new_tweet(draft.model_copy(update={"tweet_data": content}))
    posted = await commands.post_tweet_at_once(session, identity.user_id, new, draft.draft_id)
    return _response(posted) if posted else None


@router.delete(
    "/tweets/{id}",
    summary="Delete your own tweet",
    responses=responses(NotTheAuthor, TweetNotFound),
)
async def delete_tweet(id: Id, identity: SignedIn, session: DirectTransaction) -> Ok:
    await commands.delete_tweet(session, id, caller_id=identity.user_id)
    return Ok()


@router.post("/tweets/{id}/likes", summary="Like a tweet", responses=responses(TweetNotFound))
async def like_tweet(id: Id, identity: SignedIn, session: Autocommit) -> Ok:
    await commands.like_tweet(session, id, identity.user_id)
    return Ok()


@router.delete("/tweets/{id}/likes", summary="Unlike a tweet", responses=responses(TweetNotFound))
async def unlike_tweet(id: Id, identity: SignedIn, session: Autocommit) -> Ok:
    await commands.unlike_tweet(session, id, identity.user_id)
    return Ok()


@router.post(
    "/tags/followed",
    summary="Follow a hashtag",
    responses=responses(TagNotAccepted, TooManyTags),
)
async def follow_tag(body: Tag, identity: SignedIn, session: DirectTransaction) -> Ok:
    """Your feed with `replies=conversations` shows tweets with this hashtag from then on."""
    await commands.follow_tag(session, identity.user_id, entities.fold_tag(body.tag))
    return Ok()


@router.delete("/tags/followed", summary="Unfollow a hashtag", responses=responses(TagNotAccepted))
async def unfollow_tag(
    tag: Annotated[str, Query(max_length=1_000, description="A hashtag, with or without `#`.")],
    identity: SignedIn,
    session: DirectTransaction,
) -> Ok:
    await commands.unfollow_tag(session, identity.user_id, entities.fold_tag(tag))
    return Ok()


def direct_writes(settings: Settings) -> list[DirectWrite]:
    return [
        DirectWrite("POST", "/api/tweets/{id}/likes", like_tweet),
        DirectWrite("DELETE", "/api/tweets/{id}/likes", unlike_tweet),
        DirectWrite(
            "POST", "/api/tweets", partial(_post_at_once, settings), status=201, body=TweetDraft
        ),
    ]
