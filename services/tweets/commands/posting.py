"""Posting a tweet or a reply.

*Posting once.* A client whose connection breaks cannot know whether its tweet was posted, and must
be able to send it again. It gives the draft an id of its own (`draft_id`, or the header
Idempotency-Key). `post_tweet` begins by inserting the draft, so of two equal requests at the same
moment the second one waits for the first. It then finds the tweet's id in the row and returns it,
and names the same event in the response. A digest of text and pictures detects a client that uses
one Idempotency-Key for two different tweets. If the first attempt fails, the draft is rolled back
with it, and its id can be used again.

*Replies.* A reply takes its place in the thread from its parent: `_LOCK_PARENT` reads it and keeps
the parent from being deleted until the reply is committed. A parent exists before its replies, so a
thread has no cycles. A reply stores the nearest tweets above it: nothing ever walks a thread step
by step, however long it is. If a tweet is deleted, its replies keep their places.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.database import clock
from chassis.database.session import AnySession, fetch
from chassis.messaging import outbox

from .. import entities, tweet_text
from ..entities import AmbiguousMention, Mention
from ..errors import (
    IdempotencyKeyReused,
    MediaNotFound,
    MediaTaken,
    NotYourMedia,
    RepliesRestricted,
    TooManyImages,
    TweetAlreadyDeleted,
    TweetNotFound,
)
from ..events import Picture, ThreadPlace, TweetPosted
from ..models import Media, WhoMayReply
from ..settings import Settings

MAX_ANCESTORS = 10
"""How many of the tweets above a reply are stored with it, the nearest first."""

# $5 to $9 are the place of a reply, see `ThreadPlace`; $10 to $13 the event, see `outbox.values`.
# Its JSON gets the tweet's id here.
_INSERT_TWEET_AND_EVENT = """
tweet as (
    insert into tweet (
        id, author_id, content, created_at, replies, parent_id, root_id, depth, ancestors,
        self_replies
    )
    overriding system value
    select tweet_id, $1::bigint, $2, $3, $4, $5, $6, $7, $8, $9 from draft
)
insert into outbox (id, routing_key, payload, request_id, traceparent)
overriding system value
select version, $10, $11::text::jsonb || jsonb_build_object('tweet_id', tweet_id), $12, $13
from draft
returning (select tweet_id from draft), id as version
"""
_POST = f"""
with draft as materialized (
    select nextval('tweet_id_seq') as tweet_id, nextval('outbox_id_seq') as version
), {_INSERT_TWEET_AND_EVENT.strip()}
"""
# Waits for a transaction that is inserting the same draft. Does nothing if the draft exists.
_POST_DRAFT = f"""
with draft as (
    insert into draft (author_id, id, digest, tweet_id, version)
    values ($1, $14, $15, nextval('tweet_id_seq'), nextval('outbox_id_seq'))
    on conflict do nothing returning tweet_id, version
), {_INSERT_TWEET_AND_EVENT.strip()}
"""  # noqa: S608  only constants are inserted
_NO_PLACE: tuple[object, ...] = (None, None, 0, [], 0)
"""The place of a tweet that is not a reply."""
# Reads the place of the parent, and keeps it from being deleted until the transaction ends. The
# second author and rule are those of the root, whose author may restrict the whole thread.
_LOCK_PARENT = """
select parent.author_id, parent.root_id, parent.depth, parent.ancestors, parent.self_replies,
    array[parent.author_id, root.author_id] as authors, array[parent.replies, root.replies] as rules
from tweet as parent
left join tweet as root on root.id = parent.root_id
where parent.id = $1 and parent.deleted_at is null and parent.hidden_at is null
    and not exists (select from person where id = parent.author_id and not active)
for key share of parent
"""
_FOLLOWS = "select from follow where follower_id = $1 and followed_id = $2 and active"

# Statements name their columns: with `*` their results would change when a newer version adds a
# column, and connections that have prepared them would fail.
_LOCK_MEDIA = """
select id, owner_id, path, thumbnail, width, height, colour, alt, tweet_id, closed from media
where id = any($1::bigint[]) order by id for update
"""
_ATTACH = "update media set tweet_id = $2 where id = any($1::bigint[])"
# Inserts the draft if it is new. The update of an existing row changes nothing: it takes the lock,
# and makes RETURNING return the row.
_LOCK_DRAFT = """
insert into draft (author_id, id, digest) values ($1, $2, $3)
on conflict (author_id, id) do update set id = excluded.id
returning tweet_id, version, digest
"""
_FIND_DRAFT = "select tweet_id, version, digest from draft where author_id = $1 and id = $2"
_IS_DELETED = "select deleted_at is not null as deleted from tweet where id = $1"
_SET_DRAFT = "update draft set tweet_id = $3, version = $4 where author_id = $1 and id = $2"


@dataclass(frozen=True)
class NewTweet:
    """A draft whose text `clean_draft` has accepted."""

    content: str
    media_ids: Sequence[int] = ()
    reply_to: int | None = None
    mentions: Sequence[Mention] | None = None
    """None if the client gives no mentions: then they are found in the text."""
    replies: WhoMayReply = WhoMayReply.everyone

    @property
    def is_plain(self) -> bool:
        """Whether posting it is one statement: its text and nothing else of the database."""
        return not (self.media_ids or self.reply_to or self.mentions or "@" in self.content)

    def digest(self) -> bytes:
        parts: list[object] = [self.content, list(self.media_ids)]
        if self.reply_to or self.mentions or self.replies is not WhoMayReply.everyone:
            mentions = [mention.model_dump() for mention in self.mentions or ()]
            parts += [self.reply_to, mentions, self.replies]
        return hashlib.sha256(json.dumps(parts).encode()).digest()


@dataclass(frozen=True)
class Posted:
    tweet_id: int
    version: int
    """The id of the event of its posting."""
    ambiguous: Sequence[AmbiguousMention] = ()


def clean_draft(content: str, media_ids: Sequence[int], settings: Settings) -> str:
    """Checks the rules that need no database and returns the text to store.

    Raises TooManyImages, MediaTaken, and the errors of `tweet_text.clean`.
    """
    content = tweet_text.clean(content, settings.max_length)
    if len(media_ids) > settings.max_images:
        raise TooManyImages(limit=settings.max_images)
    if len(set(media_ids)) < len(media_ids):
        raise MediaTaken
    return content


async def post_tweet(
    session: AnySession,
    author_id: int,
    new: NewTweet,
    draft_id: str | None = None,
    *,
    must_match: bool = False,
) -> Posted:
    """Posts a tweet or a reply. A draft that is posted again gives its first tweet.

    Raises IdempotencyKeyReused if `must_match` is set and the draft differs from the first one,
    TweetAlreadyDeleted if its tweet has been deleted, TweetNotFound and RepliesRestricted for a
    reply, MentionNotAccepted, TooManyMentions, and MediaNotFound, NotYourMedia or MediaTaken.
    """
    if draft_id is None:
        return await _post(session, author_id, new)
    digest = new.digest()
    if new.is_plain:
        posted = await _insert(session, author_id, new, _POST_DRAFT, draft_id, digest)
        if posted is not None:
            return posted
        drafts = await fetch(session, _FIND_DRAFT, author_id, draft_id)
        if not drafts:
            # An erasure has deleted the tweet and its draft meanwhile.
            raise TweetAlreadyDeleted
    else:
        drafts = await fetch(session, _LOCK_DRAFT, author_id, draft_id, digest)
    (draft,) = drafts
    if draft["tweet_id"] is not None:
        # A draft from before there were digests has none: then every repetition counts as equal.
        if must_match and draft["digest"] not in (digest, None):
            raise IdempotencyKeyReused
        (tweet,) = await fetch(session, _IS_DELETED, draft["tweet_id"])
        if tweet["deleted"]:
            raise TweetAlreadyDeleted
        outbox.name_in_response(session, draft["version"])
        return Posted(draft["tweet_id"], draft["version"])
    posted = await _post(session, author_id, new)
    await fetch(session, _SET_DRAFT, author_id, draft_id, posted.tweet_id, posted.version)
    return posted


async def _post(session: AnySession, author_id: int, new: NewTweet) -> Posted:
    posted = await _insert(session, author_id, new, _POST)
    assert posted is not None
    return posted


async def _insert(
    session: AnySession, author_id: int, new: NewTweet, statement: str, *draft: object
) -> Posted | None:
    """None if `statement` is `_POST_DRAFT` and the draft exists."""
    found = await entities.find(session, new.content, new.mentions)
    thread = await _lock_parent(session, author_id, new.reply_to) if new.reply_to else None
    attached = await _lock_media(session, author_id, new.media_ids)
    event = TweetPosted(
        tweet_id=0,  # The statement sets it.
        author_id=author_id,
        content=new.content,
        media_ids=list(new.media_ids),
        attachments=[media.path for media in attached],
        media=[
            Picture(
                url=media.path,
                thumbnail=media.thumbnail or media.path,
                width=media.width,
                height=media.height,
                colour=media.colour,
                alt=media.alt,
            )
            for media in attached
        ],
        entities=found.entities,
        thread=thread,
        created_at=clock.now(),
    )
    rows = await fetch(
        session,
        statement,
        author_id,
        new.content,
        event.created_at,
        new.replies,
        *(thread.model_dump().values() if thread else _NO_PLACE),
        *outbox.values(event),
        *draft,
    )
    if not rows:
        return None
    ((tweet_id, version),) = rows
    if attached:
        await fetch(session, _ATTACH, new.media_ids, tweet_id)
    outbox.name_in_response(session, version)
    return Posted(tweet_id, version, found.ambiguous)


async def _lock_parent(session: AnySession, author_id: int, parent_id: int) -> ThreadPlace:
    """The place of a reply to this tweet. Raises TweetNotFound and RepliesRestricted."""
    rows = await fetch(session, _LOCK_PARENT, parent_id)
    if not rows:
        raise TweetNotFound
    (parent,) = rows
    for owner_id, rule in zip(parent["authors"], parent["rules"], strict=True):
        if owner_id in (author_id, None) or rule == WhoMayReply.everyone:
            continue
        if rule == WhoMayReply.nobody or not await fetch(session, _FOLLOWS, owner_id, author_id):
            raise RepliesRestricted
    return ThreadPlace(
        parent_id=parent_id,
        root_id=parent["root_id"] or parent_id,
        depth=parent["depth"] + 1,
        ancestors=[parent_id, *parent["ancestors"]][:MAX_ANCESTORS],
        self_replies=parent["self_replies"] + 1 if parent["author_id"] == author_id else 0,
    )


async def _lock_media(session: AnySession, owner_id: int, media_ids: Sequence[int]) -> list[Media]:
    """Locks the pictures and returns them in the order of `media_ids`.

    Raises MediaNotFound, NotYourMedia and MediaTaken.
    """
    if not media_ids:
        return []
    media_by_id = {row["id"]: Media(**row) for row in await fetch(session, _LOCK_MEDIA, media_ids)}
    if any(media_id not in media_by_id for media_id in media_ids):
        raise MediaNotFound
    requested = [media_by_id[media_id] for media_id in media_ids]
    if any(media.owner_id != owner_id for media in requested):
        raise NotYourMedia
    if any(media.closed for media in requested):
        raise MediaNotFound
    if any(media.tweet_id is not None for media in requested):
        raise MediaTaken
    return requested
