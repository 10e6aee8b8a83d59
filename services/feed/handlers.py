"""Applies the events of users, tweets and media to the feed's tables.

Events arrive in any order and several times: queues, workers and retries do not keep an order. So
the handlers commute. Whatever the order, the tables end up the same. Three means achieve this:

- *Versions.* A name, a picture, a follow, a like, and whether a person or a tweet is hidden are
  stored with the version of the event that set them. A handler changes nothing if the stored
  version is newer. An ended follow or like stays as a row with `active` false, so that its version
  is known.
- *Tombstones.* The row of a deleted tweet stays without its text. An erased person keeps a row in
  `erasure`. Late events about them change nothing.
- *Placeholders.* A like, a reply or a hiding may arrive before its tweet. Then its handler inserts
  a row for the tweet, which is invisible until the tweet arrives.

All handlers about a tweet's likes lock the row of the tweet first. `replies` keeps the counts and
lists of replies. Tweets, likes and follows, which are most events, are handled many at once.
`rebuild_handlers` repeats the rules for registrations in one statement for many events; change both
together. See docs/adr/0004.
"""

import json
from collections.abc import Sequence

from chassis.database.session import AnySession, fetch
from chassis.messaging.subscriptions import Subscriptions
from chassis.privacy import erasure

from . import replies
from .events import (
    PersonPictured,
    TagFollowed,
    TagUnfollowed,
    ThreadPlace,
    TweetDeleted,
    TweetHidden,
    TweetLiked,
    TweetPosted,
    TweetRestored,
    TweetUnliked,
    UserDeactivated,
    UserErased,
    UserFollowed,
    UserReactivated,
    UserRegistered,
    UserRenamed,
    UserUnfollowed,
)
from .tweet_json import render_card

subscriptions = Subscriptions("feed", sources=("users", "tweets", "media"))

LIKES_BATCH = 5_000
"""The maximum number of likes of deleted tweets that one statement deletes. The batch is large
because no request waits for these rows, and because each batch scans again the index entries of the
rows that earlier batches deleted."""

_SET_NAME = """
insert into person (id, name, version) values ($1, $2, $3)
on conflict (id) do update set name = excluded.name, version = excluded.version
where person.version < excluded.version
"""
_SET_PERSON_HIDDEN = """
insert into person (id, name, version, hidden, hidden_version) values ($1, '', 0, $2, $3)
on conflict (id)
do update set hidden = excluded.hidden, hidden_version = excluded.hidden_version
where person.hidden_version < excluded.hidden_version
"""
_SET_PICTURE = """
insert into person (id, name, version, picture, picture_version)
select $1, '', 0, $2, $3 where not exists (select from erasure where user_id = $1)
on conflict (id)
do update set picture = excluded.picture, picture_version = excluded.picture_version
where person.picture_version < excluded.picture_version
"""
_DELETE_PICTURE = "update person set picture = null, picture_version = 0 where id = $1"
# `distinct on`: one insert cannot change the same row twice.
_SET_FOLLOWS = """
insert into follow (follower_id, followed_id, active, version)
select distinct on (follower_id, followed_id) follower_id, followed_id, active, version
from unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[])
    as event (follower_id, followed_id, active, version)
where not exists (select from erasure where user_id in (follower_id, followed_id))
order by follower_id, followed_id, version desc
on conflict (follower_id, followed_id)
do update set active = excluded.active, version = excluded.version
where follow.version < excluded.version
"""
# $1 is a JSON array with an object for each tweet.
_INSERT_TWEETS = """
with posted as (
    select * from json_to_recordset($1::json) as posted (
        id bigint, author_id bigint, card text, entities text[], mentioned bigint[],
        has_media boolean, tags text[], spellings text[], parent_id bigint, root_id bigint,
        depth integer, ancestors bigint[], self_replies integer
    )
), inserted as (
    insert into tweet (
        id, author_id, card, entities, mentioned, has_media,
        parent_id, root_id, depth, ancestors, self_replies
    )
    select
        id, author_id, card, entities, mentioned, has_media,
        parent_id, root_id, coalesce(depth, 0), coalesce(ancestors, '{}'), coalesce(self_replies, 0)
    from posted
    where not exists (select from erasure where user_id = author_id)
    on conflict (id) do update set
        author_id = excluded.author_id, card = excluded.card, entities = excluded.entities,
        mentioned = excluded.mentioned, has_media = excluded.has_media,
        parent_id = excluded.parent_id, root_id = excluded.root_id, depth = excluded.depth,
        ancestors = excluded.ancestors, self_replies = excluded.self_replies
    where tweet.author_id is null and not tweet.deleted
    returning *
), indexed as (
    insert into tweet_words (tweet_id, words)
    select id, search_words(author_id, card, entities, mentioned, has_media, parent_id is not null)
    from inserted
    on conflict do nothing
), tagged as (
    insert into tweet_tag (tag, tweet_id, spelling)
    select tag, id, spelling
    from inserted join posted using (id)
    cross join unnest(tags, spellings) as of_tweet (tag, spelling)
    on conflict do nothing
)
select id from inserted
"""
_DELETE_WORDS = "delete from tweet_words where tweet_id = any($1::bigint[])"
_DELETE_TAGS = "delete from tweet_tag where tweet_id = any($1::bigint[])"
_SET_TAG_FOLLOW = """
insert into tag_follow (user_id, tag, active, version) values ($1, $2, $3, $4)
on conflict (user_id, tag) do update set active = excluded.active, version = excluded.version
where tag_follow.version < excluded.version
"""
_SET_PLACE = """
update tweet set parent_id = $2, root_id = $3, depth = $4, ancestors = $5, self_replies = $6
where id = $1 and parent_id is null
"""
_LOCK_TWEETS = "select id, deleted from tweet where id = any($1::bigint[]) order by id for update"
_INSERT_PLACEHOLDERS = """
insert into tweet (id) select unnest($1::bigint[]) order by 1 on conflict do nothing
"""
_MARK_DELETED = """
update tweet set
    deleted = true, author_id = null, card = null, entities = null, mentioned = null,
    has_media = false, like_count = 0
where id = any($1::bigint[])
"""
# Inserts a placeholder if the tweet has not arrived. A deleted tweet keeps the state too, so that
# the order of the events does not matter.
_SET_HIDDEN = """
insert into tweet (id, hidden, hidden_version) values ($1, $2, $3)
on conflict (id)
do update set hidden = excluded.hidden, hidden_version = excluded.hidden_version
where tweet.hidden_version < excluded.hidden_version
"""
# Deletes at most $2 likes of these tweets. Rows are locked in the order (tweet, person), as in an
# erasure, so that the two cannot deadlock.
_DELETE_LIKES = """
with deleted as (
    delete from tweet_like using (
        select tweet_id, user_id
        from unnest($1::bigint[]) as tweet (id)
        cross join lateral (
            select tweet_id, user_id from tweet_like where tweet_id = tweet.id
            order by user_id limit $2 for update
        ) as of_one_tweet
        limit $2
    ) as batch
    where tweet_like.tweet_id = batch.tweet_id and tweet_like.user_id = batch.user_id
    returning 1
)
select count(*) as likes from deleted
"""
_DEFER_LIKES = """
insert into likes_to_delete (tweet_id) select unnest($1::bigint[]) on conflict do nothing
"""
_SET_LIKES = """
with changed as (
    insert into tweet_like (tweet_id, user_id, active, version)
    select distinct on (tweet_id, user_id) tweet_id, user_id, active, version
    from unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[])
        as event (tweet_id, user_id, active, version)
    where not exists (select from erasure where erasure.user_id = event.user_id)
    order by tweet_id, user_id, version desc
    on conflict (tweet_id, user_id)
    do update set active = excluded.active, version = excluded.version
    where tweet_like.version < excluded.version
    returning tweet_id, new.active::int - coalesce(old.active, false)::int as step
)
update tweet set like_count = like_count + change.step
from (select tweet_id, sum(step) as step from changed group by tweet_id) as change
where tweet.id = change.tweet_id and change.step <> 0
"""


@subscriptions.on(UserRegistered)
async def on_user_registered(session: AnySession, event: UserRegistered, version: int) -> None:
    await fetch(session, _SET_NAME, event.user_id, event.name, version)


@subscriptions.on(UserRenamed)
async def on_user_renamed(session: AnySession, event: UserRenamed, version: int) -> None:
    await fetch(session, _SET_NAME, event.user_id, event.name, version)


@subscriptions.on(UserDeactivated)
async def on_user_deactivated(session: AnySession, event: UserDeactivated, version: int) -> None:
    await fetch(session, _SET_PERSON_HIDDEN, event.user_id, True, version)


@subscriptions.on(UserReactivated)
async def on_user_reactivated(session: AnySession, event: UserReactivated, version: int) -> None:
    await fetch(session, _SET_PERSON_HIDDEN, event.user_id, False, version)


@subscriptions.on(UserErased)
async def on_user_erased(session: AnySession, event: UserErased, version: int) -> None:
    # Names of late events have older versions than this empty one.
    await fetch(session, _SET_NAME, event.user_id, "", version)
    await fetch(session, _SET_PERSON_HIDDEN, event.user_id, True, version)
    await fetch(session, _DELETE_PICTURE, event.user_id)
    await erasure.mark_erased(session, event.user_id)


@subscriptions.on(PersonPictured)
async def on_person_pictured(session: AnySession, event: PersonPictured, version: int) -> None:
    picture = event.picture and event.picture.model_dump_json()
    await fetch(session, _SET_PICTURE, event.user_id, picture, version)


@subscriptions.on_many(UserFollowed, UserUnfollowed)
async def set_follows(
    session: AnySession, events: Sequence[tuple[UserFollowed | UserUnfollowed, int]]
) -> None:
    """Applies follows and their ends, in any order."""
    rows = (
        (event.follower_id, event.followed_id, isinstance(event, UserFollowed), version)
        for event, version in events
    )
    await fetch(session, _SET_FOLLOWS, *zip(*rows, strict=True))


@subscriptions.on(TagFollowed)
async def on_tag_followed(session: AnySession, event: TagFollowed, version: int) -> None:
    await _set_tag_follow(session, event, version, active=True)


@subscriptions.on(TagUnfollowed)
async def on_tag_unfollowed(session: AnySession, event: TagUnfollowed, version: int) -> None:
    await _set_tag_follow(session, event, version, active=False)


async def _set_tag_follow(
    session: AnySession, event: TagFollowed | TagUnfollowed, version: int, *, active: bool
) -> None:
    if not await erasure.is_erased(session, event.user_id):
        await fetch(session, _SET_TAG_FOLLOW, event.user_id, event.tag, active, version)


@subscriptions.on_many(TweetPosted)
async def insert_tweets(session: AnySession, posted: Sequence[tuple[TweetPosted, int]]) -> None:
    """Inserts the tweets that are new. Those of erased people become tombstones."""
    events = sorted((event for event, _ in posted), key=lambda event: event.tweet_id)
    inserted = await fetch(session, _INSERT_TWEETS, json.dumps([_row(event) for event in events]))
    new = {row["id"] for row in inserted}
    for event in events:
        if event.tweet_id not in new and await erasure.is_erased(session, event.author_id):
            await _delete_tweet(session, event.tweet_id, event.thread)
    new_replies = [event.tweet_id for event in events if event.thread and event.tweet_id in new]
    if new_replies:
        await replies.add(session, new_replies)


def _row(event: TweetPosted) -> dict[str, object]:
    card = render_card(event)._asdict()
    place = event.thread.model_dump() if event.thread else {}
    hashtags = [entity for entity in event.entities if entity.tag is not None]
    return {
        "id": event.tweet_id,
        "author_id": event.author_id,
        "has_media": bool(event.attachments),
        "tags": [entity.tag for entity in hashtags],
        "spellings": [entity.text.removeprefix("#") for entity in hashtags],
        **card,
        **place,
    }


@subscriptions.on(TweetDeleted)
async def on_tweet_deleted(session: AnySession, event: TweetDeleted, version: int) -> None:
    await _delete_tweet(session, event.tweet_id, event.thread)


async def _delete_tweet(session: AnySession, tweet_id: int, place: ThreadPlace | None) -> None:
    await _lock_tweets(session, [tweet_id])
    if place:
        await fetch(session, _SET_PLACE, tweet_id, *place.model_dump().values())
    await delete_tweets(session, [tweet_id])


async def delete_tweets(session: AnySession, tweet_ids: Sequence[int]) -> None:
    """Deletes tweets whose rows the caller has locked, with a batch of their likes.

    The worker deletes the rest of the likes later: see `privacy.eraser`.
    """
    await replies.uncount(session, tweet_ids)
    await fetch(session, _MARK_DELETED, tweet_ids)
    await fetch(session, _DELETE_TAGS, tweet_ids)
    await fetch(session, _DELETE_WORDS, tweet_ids)
    await replies.remove(session, tweet_ids)
    if await delete_likes(session, tweet_ids) == LIKES_BATCH:
        await fetch(session, _DEFER_LIKES, tweet_ids)


async def delete_likes(session: AnySession, tweet_ids: Sequence[int]) -> int:
    """Deletes a batch of the likes of these tweets. Returns how many."""
    (row,) = await fetch(session, _DELETE_LIKES, tweet_ids, LIKES_BATCH)
    return int(row["likes"])


@subscriptions.on(TweetHidden)
async def on_tweet_hidden(session: AnySession, event: TweetHidden, version: int) -> None:
    await fetch(session, _SET_HIDDEN, event.tweet_id, True, version)


@subscriptions.on(TweetRestored)
async def on_tweet_restored(session: AnySession, event: TweetRestored, version: int) -> None:
    await fetch(session, _SET_HIDDEN, event.tweet_id, False, version)


@subscriptions.on_many(TweetLiked, TweetUnliked)
async def set_likes(
    session: AnySession, events: Sequence[tuple[TweetLiked | TweetUnliked, int]]
) -> None:
    """Applies likes and their ends, in any order."""
    deleted = await _lock_tweets(session, [event.tweet_id for event, _ in events])
    rows = [
        (event.tweet_id, event.user_id, isinstance(event, TweetLiked), version)
        for event, version in events
        if not deleted[event.tweet_id]
    ]
    if rows:
        await fetch(session, _SET_LIKES, *zip(*rows, strict=True))


async def _lock_tweets(session: AnySession, tweet_ids: Sequence[int]) -> dict[int, bool]:
    """Locks the tweets, and inserts placeholders for those that are missing. Says of each whether
    it is deleted.

    All handlers about a tweet's likes do this first. So if two workers handle a like and the
    deletion of its tweet at the same moment, one of them waits and sees the other's change.
    """
    wanted = sorted(set(tweet_ids))
    locked = await fetch(session, _LOCK_TWEETS, wanted)
    if len(locked) < len(wanted):
        await fetch(session, _INSERT_PLACEHOLDERS, wanted)
        locked = await fetch(session, _LOCK_TWEETS, wanted)
    return {row["id"]: row["deleted"] for row in locked}
