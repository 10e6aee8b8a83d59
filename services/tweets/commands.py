"""Everything that changes tweets and likes."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis import clock, outbox
from chassis.database import fetch

from . import texts
from .errors import (
    IdempotencyKeyReused,
    MediaNotFound,
    MediaTaken,
    NotTheAuthor,
    NotYourMedia,
    TooManyImages,
    TweetAlreadyDeleted,
    TweetNotFound,
)
from .events import Picture, TweetDeleted, TweetLiked, TweetPosted, TweetUnliked
from .models import Media, Tweet
from .settings import Settings

_INSERT = """
insert into tweet (author_id, content, created_at) values ($1, $2, $3) returning id
"""

# Locks the draft until the transaction ends, made where there is none yet: of two calls at the same
# moment the second waits for the first, and then finds its tweet.
_HOLD_DRAFT = """
insert into draft (author_id, id, digest) values ($1, $2, $3)
on conflict (author_id, id) do update set id = excluded.id
returning tweet_id, version, digest
"""
_IS_DELETED = "select deleted_at is not null as deleted from tweet where id = $1"
_SET_DRAFT = "update draft set tweet_id = $3, version = $4 where author_id = $1 and id = $2"

# Both hold the tweet and lock the like until the transaction ends, and give the like as it is; no
# row means that there is no such tweet. A like that never was has the version 0.
_HELD_FOR_LIKE = """
with tweet as (
    select id from tweet where id = $1 and deleted_at is null for key share
)
insert into tweet_like (tweet_id, user_id, active, version)
select id, $2, false, 0 from tweet
on conflict (tweet_id, user_id) do update set active = tweet_like.active
returning active, version
"""
_HELD_FOR_UNLIKE = """
with tweet as (
    select id from tweet where id = $1 and deleted_at is null for key share
), held as (
    select tweet_id, active, version from tweet_like
    where tweet_id = $1 and user_id = $2 for update
)
select coalesce(active, false) as active, coalesce(version, 0) as version
from tweet left join held on held.tweet_id = tweet.id
"""
_SET_LIKE = "update tweet_like set active = $3, version = $4 where tweet_id = $1 and user_id = $2"


def clean_draft(content: str, media_ids: Sequence[int], settings: Settings) -> str:
    """Applies the rules that need no database and returns the text to store.

    Raises TooManyImages, MediaTaken, and the errors of `texts.clean`.
    """
    content = texts.clean(content, settings.length)
    if len(media_ids) > settings.images:
        raise TooManyImages(limit=settings.images)
    if len(set(media_ids)) < len(media_ids):
        raise MediaTaken
    return content


async def post_tweet(
    session: AsyncSession,
    author_id: int,
    content: str,
    media_ids: Sequence[int],
    draft_id: str | None = None,
    *,
    unchanged: bool = False,
) -> int:
    """Posts a draft that `clean_draft` accepted and returns the tweet's id.

    A draft that is posted again returns the id of its first tweet. Raises IdempotencyKeyReused if
    `unchanged` is set and the draft differs from the first one, TweetAlreadyDeleted if its tweet
    was deleted since, and MediaNotFound, NotYourMedia or MediaTaken. On an error no tweet is
    created.
    """
    if draft_id is None:
        return (await _post(session, author_id, content, media_ids))[0]
    digest = _digest(content, media_ids)
    (held,) = await fetch(session, _HOLD_DRAFT, author_id, draft_id, digest)
    if held["tweet_id"] is not None:
        # Of a draft from before there were digests nothing is known, and the first text stands.
        if unchanged and held["digest"] not in (digest, None):
            raise IdempotencyKeyReused
        (tweet,) = await fetch(session, _IS_DELETED, held["tweet_id"])
        if tweet["deleted"]:
            raise TweetAlreadyDeleted
        outbox.mention(session, held["version"])
        return int(held["tweet_id"])
    tweet_id, version = await _post(session, author_id, content, media_ids)
    await fetch(session, _SET_DRAFT, author_id, draft_id, tweet_id, version)
    return tweet_id


def _digest(content: str, media_ids: Sequence[int]) -> bytes:
    return hashlib.sha256(json.dumps([content, list(media_ids)]).encode()).digest()


async def _post(
    session: AsyncSession, author_id: int, content: str, media_ids: Sequence[int]
) -> tuple[int, int]:
    """The new tweet's id and the number of its event."""
    taken = await _locked_media(session, author_id, media_ids)
    created_at = clock.now()
    (written,) = await fetch(session, _INSERT, author_id, content, created_at)
    tweet_id: int = written["id"]
    for media in taken:
        media.tweet_id = tweet_id
    event = TweetPosted(
        tweet_id=tweet_id,
        author_id=author_id,
        content=content,
        media_ids=list(media_ids),
        attachments=[media.path for media in taken],
        media=[
            Picture(
                url=media.path,
                thumbnail=media.thumbnail or media.path,
                width=media.width,
                height=media.height,
                alt=media.alt,
            )
            for media in taken
        ],
        created_at=created_at,
    )
    return tweet_id, await outbox.record(session, event)


async def _locked_media(
    session: AsyncSession, owner_id: int, media_ids: Sequence[int]
) -> list[Media]:
    """The pictures in the order given, each locked until the tweet is there."""
    if not media_ids:
        return []
    statement = (
        select(Media).where(col(Media.id).in_(media_ids)).order_by(col(Media.id)).with_for_update()
    )
    known = {media.id: media for media in await session.exec(statement)}
    if any(media_id not in known for media_id in media_ids):
        raise MediaNotFound
    taken = [known[media_id] for media_id in media_ids]
    if any(media.owner_id != owner_id for media in taken):
        raise NotYourMedia
    if any(media.closed for media in taken):
        raise MediaNotFound
    if any(media.tweet_id is not None for media in taken):
        raise MediaTaken
    return taken


async def delete_tweet(session: AsyncSession, tweet_id: int, by: int) -> None:
    """Raises TweetNotFound and NotTheAuthor."""
    tweet = await session.get(Tweet, tweet_id, with_for_update=True)
    if tweet is None or tweet.deleted_at is not None:
        raise TweetNotFound
    if tweet.author_id != by:
        raise NotTheAuthor
    tweet.deleted_at = datetime.now(UTC)
    tweet.content = ""
    pictures = (await session.exec(select(Media).where(col(Media.tweet_id) == tweet_id))).all()
    for media in pictures:
        media.closed = True
    event = TweetDeleted(
        tweet_id=tweet_id, author_id=by, media_ids=[media.id for media in pictures]
    )
    await outbox.record(session, event)


async def like_tweet(session: AsyncSession, tweet_id: int, user_id: int) -> None:
    """Idempotent. Raises TweetNotFound."""
    await _set_like(session, _HELD_FOR_LIKE, TweetLiked(tweet_id=tweet_id, user_id=user_id))


async def unlike_tweet(session: AsyncSession, tweet_id: int, user_id: int) -> None:
    """Idempotent. Raises TweetNotFound."""
    await _set_like(session, _HELD_FOR_UNLIKE, TweetUnliked(tweet_id=tweet_id, user_id=user_id))


async def _set_like(session: AsyncSession, hold: str, event: TweetLiked | TweetUnliked) -> None:
    active = isinstance(event, TweetLiked)
    held = await fetch(session, hold, event.tweet_id, event.user_id)
    if not held:
        raise TweetNotFound
    (like,) = held
    if like["active"] != active:
        version = await outbox.record(session, event)
        await fetch(session, _SET_LIKE, event.tweet_id, event.user_id, active, version)
    elif like["version"]:
        outbox.mention(session, like["version"])
