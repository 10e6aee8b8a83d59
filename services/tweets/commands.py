"""Everything that changes tweets, likes and followed hashtags.

*Versions.* The id of the event in the outbox is the new version of what the event is about: a tweet
or a like. Consumers ignore an event that is older than the version they have. So a command locks
the row first and records the event while it holds the lock; otherwise two changes could commit in
one order and have versions in the other. A like that does not exist yet has no row to lock, so
`_LOCK_LIKE_OR_INSERT` inserts an inactive one. `chassis.messaging.outbox` has the details.

*Posting once.* A client whose connection breaks cannot know whether its tweet was posted, and must
be able to send it again. It gives the draft an id of its own (`draft_id`, or the header
Idempotency-Key). The first statement of `post_tweet` inserts the draft or locks the existing row,
so of two equal requests at the same moment the second one waits for the first. It then finds the
tweet's id in the row and returns it, and names the same event in the response. A digest of text and
pictures detects a client that uses one Idempotency-Key for two different tweets. If the first
attempt fails, the draft is rolled back with it, and its id can be used again.

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

from . import entities, tweet_text
from .entities import AmbiguousMention, Mention
from .errors import (
    IdempotencyKeyReused,
    MediaNotFound,
    MediaTaken,
    NotTheAuthor,
    NotYourMedia,
    RepliesRestricted,
    TooManyImages,
    TooManyTags,
    TweetAlreadyDeleted,
    TweetNotFound,
)
from .events import (
    Picture,
    TagFollowed,
    TagUnfollowed,
    ThreadPlace,
    TweetDeleted,
    TweetLiked,
    TweetPosted,
    TweetUnliked,
)
from .models import Media, WhoMayReply
from .settings import Settings

MAX_FOLLOWED_TAGS = 100
"""How many hashtags a person can follow. Each costs a little at every read of the feed."""
MAX_ANCESTORS = 10
"""How many of the tweets above a reply are stored with it, the nearest first."""

_INSERT_TWEET = """
insert into tweet (author_id, content, created_at, replies) values ($1, $2, $3, $4) returning id
"""
_INSERT_REPLY = """
insert into tweet (
    author_id, content, created_at, replies, parent_id, root_id, depth, ancestors, self_replies
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning id
"""
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
_LOCK_TWEET = """
select author_id, parent_id, root_id, depth, ancestors, self_replies from tweet
where id = $1 and deleted_at is null for update
"""
_DELETE = "update tweet set deleted_at = now(), content = '' where id = $1"
_CLOSE_MEDIA = "update media set closed = true where tweet_id = $1 returning id"

# Inserts the draft if it is new. The update of an existing row changes nothing: it takes the lock,
# and makes RETURNING return the row.
_LOCK_DRAFT = """
insert into draft (author_id, id, digest) values ($1, $2, $3)
on conflict (author_id, id) do update set id = excluded.id
returning tweet_id, version, digest
"""
_IS_DELETED = "select deleted_at is not null as deleted from tweet where id = $1"
_SET_DRAFT = "update draft set tweet_id = $3, version = $4 where author_id = $1 and id = $2"

# Both statements lock the like, and keep the tweet from being deleted, until the transaction ends.
# They return the like before the change: version 0 if there has never been one. They return no row
# if the tweet does not exist. A hidden tweet gets no likes; those that it has can be taken back.
_LOCK_LIKE_OR_INSERT = """
with tweet as (
    select id from tweet
    where id = $1 and deleted_at is null and hidden_at is null for key share
)
insert into tweet_like (tweet_id, user_id, active, version)
select id, $2, false, 0 from tweet
on conflict (tweet_id, user_id) do update set active = tweet_like.active
returning active, version
"""
_LOCK_LIKE = """
with tweet as (
    select id from tweet where id = $1 and deleted_at is null for key share
), existing as (
    select tweet_id, active, version from tweet_like
    where tweet_id = $1 and user_id = $2 for update
)
select coalesce(active, false) as active, coalesce(version, 0) as version
from tweet left join existing on existing.tweet_id = tweet.id
"""
_SET_LIKE = "update tweet_like set active = $3, version = $4 where tweet_id = $1 and user_id = $2"


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


# As for a like: the first statement also inserts an inactive follow if there is none.
_LOCK_TAG_FOLLOW_OR_INSERT = """
insert into tag_follow (user_id, tag, active, version) values ($1, $2, false, 0)
on conflict (user_id, tag) do update set active = tag_follow.active
returning active, version
"""
_LOCK_TAG_FOLLOW = """
select active, version from tag_follow where user_id = $1 and tag = $2 for update
"""
_COUNT_TAGS = "select count(*) as tags from tag_follow where user_id = $1 and active"
_SET_TAG_FOLLOW = "update tag_follow set active = $3, version = $4 where user_id = $1 and tag = $2"


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
    (draft,) = await fetch(session, _LOCK_DRAFT, author_id, draft_id, digest)
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
    found = await entities.find(session, new.content, new.mentions)
    thread = await _lock_parent(session, author_id, new.reply_to) if new.reply_to else None
    attached = await _lock_media(session, author_id, new.media_ids)
    created_at = clock.now()
    values = (author_id, new.content, created_at, new.replies)
    if thread is None:
        (row,) = await fetch(session, _INSERT_TWEET, *values)
    else:
        (row,) = await fetch(session, _INSERT_REPLY, *values, *thread.model_dump().values())
    tweet_id: int = row["id"]
    if attached:
        await fetch(session, _ATTACH, new.media_ids, tweet_id)
    event = TweetPosted(
        tweet_id=tweet_id,
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
        created_at=created_at,
    )
    return Posted(tweet_id, await outbox.record(session, event), found.ambiguous)


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


async def delete_tweet(session: AnySession, tweet_id: int, caller_id: int) -> None:
    """Raises TweetNotFound and NotTheAuthor."""
    rows = await fetch(session, _LOCK_TWEET, tweet_id)
    if not rows:
        raise TweetNotFound
    (tweet,) = rows
    if tweet["author_id"] != caller_id:
        raise NotTheAuthor
    await fetch(session, _DELETE, tweet_id)
    closed = await fetch(session, _CLOSE_MEDIA, tweet_id)
    event = TweetDeleted(
        tweet_id=tweet_id,
        author_id=caller_id,
        media_ids=[media["id"] for media in closed],
        thread=ThreadPlace(**tweet) if tweet["parent_id"] is not None else None,
    )
    await outbox.record(session, event)


async def like_tweet(session: AnySession, tweet_id: int, user_id: int) -> None:
    """Idempotent. Raises TweetNotFound."""
    await _set_like(session, _LOCK_LIKE_OR_INSERT, TweetLiked(tweet_id=tweet_id, user_id=user_id))


async def unlike_tweet(session: AnySession, tweet_id: int, user_id: int) -> None:
    """Idempotent. Raises TweetNotFound."""
    await _set_like(session, _LOCK_LIKE, TweetUnliked(tweet_id=tweet_id, user_id=user_id))


async def _set_like(
    session: AnySession, lock_statement: str, event: TweetLiked | TweetUnliked
) -> None:
    active = isinstance(event, TweetLiked)
    rows = await fetch(session, lock_statement, event.tweet_id, event.user_id)
    if not rows:
        raise TweetNotFound
    (like,) = rows
    if like["active"] != active:
        version = await outbox.record(session, event)
        await fetch(session, _SET_LIKE, event.tweet_id, event.user_id, active, version)
    elif like["version"]:
        outbox.name_in_response(session, like["version"])


async def follow_tag(session: AnySession, user_id: int, tag: str) -> None:
    """Idempotent. `tag` is folded. Raises TooManyTags."""
    await _set_tag_follow(session, TagFollowed(user_id=user_id, tag=tag))


async def unfollow_tag(session: AnySession, user_id: int, tag: str) -> None:
    """Idempotent. `tag` is folded."""
    await _set_tag_follow(session, TagUnfollowed(user_id=user_id, tag=tag))


async def _set_tag_follow(session: AnySession, event: TagFollowed | TagUnfollowed) -> None:
    active = isinstance(event, TagFollowed)
    lock_statement = _LOCK_TAG_FOLLOW_OR_INSERT if active else _LOCK_TAG_FOLLOW
    rows = await fetch(session, lock_statement, event.user_id, event.tag)
    if not rows:
        return
    (follow,) = rows
    if follow["active"] != active:
        if active:
            (counted,) = await fetch(session, _COUNT_TAGS, event.user_id)
            if counted["tags"] >= MAX_FOLLOWED_TAGS:
                raise TooManyTags(limit=MAX_FOLLOWED_TAGS)
        version = await outbox.record(session, event)
        await fetch(session, _SET_TAG_FOLLOW, event.user_id, event.tag, active, version)
    elif follow["version"]:
        outbox.name_in_response(session, follow["version"])
