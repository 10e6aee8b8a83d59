"""Posting a tweet or a reply.

*Posting once.* A client whose connection breaks cannot know whether its tweet was posted, and must
be able to send it again. It gives the draft an id of its own (`draft_id`, or the header
Idempotency-Key). The draft is inserted in the transaction of the tweet, so of two equal requests at
the same moment the second one waits for the first. It then finds the tweet's id in the row and
returns it, and names the same event in the response. A digest of text and pictures detects a client
that uses one Idempotency-Key for two different tweets. If the first attempt fails, the draft is
rolled back with it, and its id can be used again.

*One statement.* `post_tweet_at_once` posts nearly every tweet (docs/adr/0053). It leaves two kinds
to `post_tweet`, which takes a transaction: a tweet with pictures, whose rows are locked first, and
a draft that exists or is refused, because only a transaction can wait for an equal draft that is
just being posted.

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
from chassis.http.errors import Problem
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
from ..events import Picture, TweetPosted
from ..models import Media, WhoMayReply
from ..settings import Settings

MAX_ANCESTORS = 10
"""How many of the tweets above a reply are stored with it, the nearest first."""

# The place of a tweet that is not a reply, see `ThreadPlace`: $9 is null.
_NO_PLACE = """
select $9::bigint as parent_id, $9 as root_id, 0 as depth, '{}'::bigint[] as ancestors,
    0 as self_replies, true as may_reply, null::jsonb as thread
"""
# Reads the place of a reply from its parent ($9), and keeps the parent from being deleted or hidden
# until the reply is committed. The author of the root may restrict the whole thread.
_LOCK_PARENT = f"""
select place.parent_id, place.root_id, place.depth, place.ancestors, place.self_replies,
    not exists (
        select from (
            values (parent.author_id, parent.replies), (root.author_id, root.replies)
        ) as rule (owner_id, replies)
        where owner_id <> $1 and replies <> 'everyone' and not (
            replies = 'following' and exists (
                select from follow where follower_id = owner_id and followed_id = $1 and active
            )
        )
    ) as may_reply,
    to_jsonb(place) as thread
from tweet as parent
left join tweet as root on root.id = parent.root_id
cross join lateral (
    select parent.id as parent_id, coalesce(parent.root_id, parent.id) as root_id,
        parent.depth + 1 as depth,
        (parent.id || parent.ancestors)[:{MAX_ANCESTORS}] as ancestors,
        case when parent.author_id = $1 then parent.self_replies + 1 else 0 end as self_replies
) as place
where parent.id = $9 and parent.deleted_at is null and parent.hidden_at is null
    and not exists (select from person where id = parent.author_id and not active)
for key share of parent
"""  # noqa: S608  only constants are inserted
_NEW_IDS = """
select nextval('tweet_id_seq') as tweet_id, nextval('outbox_id_seq') as version
from place where may_reply
"""
# Waits for a transaction that is inserting the same draft. Does nothing if the draft exists.
_INSERT_DRAFT = """
insert into draft (author_id, id, digest, tweet_id, version)
select $1, $10, $11, nextval('tweet_id_seq'), nextval('outbox_id_seq') from place where may_reply
on conflict do nothing returning tweet_id, version
"""


def _posting(place: str, draft: str) -> str:
    """A statement that posts a tweet: no row if there is no parent, no `tweet_id` if nothing was
    posted.

    $5 to $8 are the event, see `outbox.values`. Its JSON gets the tweet's id and place here.
    """
    return f"""
with place as materialized (
    {place.strip()}
), draft as materialized (
    {draft.strip()}
), inserted as (
    insert into tweet (
        id, author_id, content, created_at, replies, parent_id, root_id, depth, ancestors,
        self_replies
    )
    overriding system value
    select tweet_id, $1::bigint, $2, $3, $4, parent_id, root_id, depth, ancestors, self_replies
    from draft cross join place
), event as (
    insert into outbox (id, routing_key, payload, request_id, traceparent)
    overriding system value
    select version, $5,
        $6::text::jsonb || jsonb_build_object('tweet_id', tweet_id, 'thread', thread), $7, $8
    from draft cross join place
)
select tweet_id, version, may_reply from place left join draft on true
"""  # noqa: S608  only constants are inserted


_POST = _posting(_NO_PLACE, _NEW_IDS)
_POST_DRAFT = _posting(_NO_PLACE, _INSERT_DRAFT)
_REPLY = _posting(_LOCK_PARENT, _NEW_IDS)
_REPLY_DRAFT = _posting(_LOCK_PARENT, _INSERT_DRAFT)

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


async def post_tweet_at_once(
    session: AnySession, author_id: int, new: NewTweet, draft_id: str | None = None
) -> Posted | None:
    """Like `post_tweet`, by one statement that needs no transaction around it.

    None if only `post_tweet` can post the tweet. Nothing has been written then.
    """
    if new.media_ids:
        return None
    if draft_id is None:
        return await _insert(session, author_id, new)
    try:
        return await _insert(session, author_id, new, (draft_id, new.digest()))
    except Problem:
        # An equal request may be posting the draft at this moment. `post_tweet` waits for it.
        return None


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
    if draft_id is not None:
        digest = new.digest()
        (draft,) = await fetch(session, _LOCK_DRAFT, author_id, draft_id, digest)
        if draft["tweet_id"] is not None:
            # A draft from before there were digests has none: then every repetition is equal.
            if must_match and draft["digest"] not in (digest, None):
                raise IdempotencyKeyReused
            (tweet,) = await fetch(session, _IS_DELETED, draft["tweet_id"])
            if tweet["deleted"]:
                raise TweetAlreadyDeleted
            outbox.name_in_response(session, draft["version"])
            return Posted(draft["tweet_id"], draft["version"])
    posted = await _insert(session, author_id, new)
    assert posted is not None
    if draft_id is not None:
        await fetch(session, _SET_DRAFT, author_id, draft_id, posted.tweet_id, posted.version)
    return posted


async def _insert(
    session: AnySession, author_id: int, new: NewTweet, draft: tuple[str, bytes] | None = None
) -> Posted | None:
    """Posts the tweet. `draft` is the id and the digest of a draft to insert with it. None if this
    draft exists."""
    found = await entities.find(session, new.content, new.mentions)
    attached = await _lock_media(session, author_id, new.media_ids)
    event = TweetPosted(
        tweet_id=0,  # The statement sets it, and `thread`.
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
        thread=None,
        created_at=clock.now(),
    )
    if new.reply_to:
        statement = _REPLY_DRAFT if draft else _REPLY
    else:
        statement = _POST_DRAFT if draft else _POST
    rows = await fetch(
        session,
        statement,
        author_id,
        new.content,
        event.created_at,
        new.replies,
        *outbox.values(event),
        new.reply_to,
        *(draft or ()),
    )
    if not rows:
        raise TweetNotFound
    ((tweet_id, version, may_reply),) = rows
    if not may_reply:
        raise RepliesRestricted
    if tweet_id is None:
        return None
    if attached:
        await fetch(session, _ATTACH, new.media_ids, tweet_id)
    outbox.name_in_response(session, version)
    return Posted(tweet_id, version, found.ambiguous)


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
