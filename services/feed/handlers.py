"""Applies the events of users and tweets to the feed's tables.

Events arrive in any order and several times: queues, workers and retries do not keep an order. So
the handlers commute. Whatever the order, the tables end up the same. Three means achieve this:

- *Versions.* A name, a follow and a like are stored with the version of the event that set them. A
  handler changes nothing if the stored version is newer. An ended follow or like stays as a row
  with `active` false, so that its version is known.
- *Tombstones.* The row of a deleted tweet stays without its text. An erased person keeps a row in
  `erasure`. Late events about them change nothing.
- *Placeholders.* A like may arrive before its tweet. Then its handler inserts a row for the tweet,
  which is invisible until the tweet arrives.

All handlers about a tweet's likes lock the row of the tweet first. `bulk_handlers` has the same
rules in statements for many events; a change of one module is a change of both. See docs/adr/0004.
"""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import fetch
from chassis.messaging.subscriptions import Subscriptions
from chassis.privacy import erasure

from .events import (
    TweetDeleted,
    TweetLiked,
    TweetPosted,
    TweetUnliked,
    UserDeactivated,
    UserErased,
    UserFollowed,
    UserRegistered,
    UserRenamed,
    UserUnfollowed,
)
from .tweet_json import render_card

subscriptions = Subscriptions("feed", sources=("users", "tweets"))

LIKES_BATCH = 5_000
"""The maximum number of likes of deleted tweets that one statement deletes. The batch is large
because no request waits for these rows, and because each batch scans again the index entries of the
rows that earlier batches deleted."""

_SET_NAME = """
insert into person (id, name, version) values ($1, $2, $3)
on conflict (id) do update set name = excluded.name, version = excluded.version
where person.version < excluded.version
"""
_HIDE_PERSON = """
insert into person (id, name, version, hidden) values ($1, '', 0, true)
on conflict (id) do update set hidden = true
"""
_SET_FOLLOW = """
insert into follow (follower_id, followed_id, active, version) values ($1, $2, $3, $4)
on conflict (follower_id, followed_id)
do update set active = excluded.active, version = excluded.version
where follow.version < excluded.version
"""
_INSERT_TWEET = """
insert into tweet (id, author_id, card)
select $1, $2, $3 where not exists (select from erasure where user_id = $2)
on conflict (id) do update set author_id = excluded.author_id, card = excluded.card
where tweet.author_id is null and not tweet.deleted
returning id
"""
# Locks the tweet's row, and inserts a placeholder if there is none. All handlers about a tweet's
# likes do this first. So if two workers handle a like and the deletion of its tweet at the same
# moment, one of them waits and sees the other's change.
_LOCK_TWEET = """
insert into tweet (id) values ($1)
on conflict (id) do update set id = excluded.id
returning deleted
"""
_MARK_DELETED = """
update tweet set deleted = true, author_id = null, card = null, like_count = 0
where id = any($1::bigint[])
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
_SET_LIKE = """
with before as (
    select active from tweet_like where tweet_id = $1 and user_id = $2
), after as (
    insert into tweet_like (tweet_id, user_id, active, version)
    select $1, $2, $3, $4 where not exists (select from erasure where user_id = $2)
    on conflict (tweet_id, user_id)
    do update set active = excluded.active, version = excluded.version
    where tweet_like.version < excluded.version
    returning active
)
update tweet set like_count = like_count + change.step
from (
    select after.active::int - coalesce(before.active, false)::int as step
    from after left join before on true
) as change
where tweet.id = $1 and change.step <> 0
"""


@subscriptions.on(UserRegistered)
async def on_user_registered(session: AsyncSession, event: UserRegistered, version: int) -> None:
    await fetch(session, _SET_NAME, event.user_id, event.name, version)


@subscriptions.on(UserRenamed)
async def on_user_renamed(session: AsyncSession, event: UserRenamed, version: int) -> None:
    await fetch(session, _SET_NAME, event.user_id, event.name, version)


@subscriptions.on(UserDeactivated)
async def on_user_deactivated(session: AsyncSession, event: UserDeactivated, version: int) -> None:
    await fetch(session, _HIDE_PERSON, event.user_id)


@subscriptions.on(UserErased)
async def on_user_erased(session: AsyncSession, event: UserErased, version: int) -> None:
    # Names of late events have older versions than this empty one.
    await fetch(session, _SET_NAME, event.user_id, "", version)
    await fetch(session, _HIDE_PERSON, event.user_id)
    await erasure.mark_erased(session, event.user_id)


@subscriptions.on(UserFollowed)
async def on_user_followed(session: AsyncSession, event: UserFollowed, version: int) -> None:
    await _set_follow(session, event, version, active=True)


@subscriptions.on(UserUnfollowed)
async def on_user_unfollowed(session: AsyncSession, event: UserUnfollowed, version: int) -> None:
    await _set_follow(session, event, version, active=False)


async def _set_follow(
    session: AsyncSession, event: UserFollowed | UserUnfollowed, version: int, *, active: bool
) -> None:
    if not await erasure.is_erased(session, event.follower_id, event.followed_id):
        await fetch(session, _SET_FOLLOW, event.follower_id, event.followed_id, active, version)


@subscriptions.on(TweetPosted)
async def on_tweet_posted(session: AsyncSession, event: TweetPosted, version: int) -> None:
    card = render_card(event)
    inserted = await fetch(session, _INSERT_TWEET, event.tweet_id, event.author_id, card)
    if not inserted and await erasure.is_erased(session, event.author_id):
        await _delete_tweet(session, event.tweet_id)


@subscriptions.on(TweetDeleted)
async def on_tweet_deleted(session: AsyncSession, event: TweetDeleted, version: int) -> None:
    await _delete_tweet(session, event.tweet_id)


async def _delete_tweet(session: AsyncSession, tweet_id: int) -> None:
    await fetch(session, _LOCK_TWEET, tweet_id)
    await delete_tweets(session, [tweet_id])


async def delete_tweets(session: AsyncSession, tweet_ids: Sequence[int]) -> None:
    """Deletes tweets whose rows the caller has locked, with a batch of their likes.

    The worker deletes the rest of the likes later: see `privacy.eraser`.
    """
    await fetch(session, _MARK_DELETED, tweet_ids)
    if await delete_likes(session, tweet_ids) == LIKES_BATCH:
        await fetch(session, _DEFER_LIKES, tweet_ids)


async def delete_likes(session: AsyncSession, tweet_ids: Sequence[int]) -> int:
    """Deletes a batch of the likes of these tweets. Returns how many."""
    (row,) = await fetch(session, _DELETE_LIKES, tweet_ids, LIKES_BATCH)
    return int(row["likes"])


@subscriptions.on(TweetLiked)
async def on_tweet_liked(session: AsyncSession, event: TweetLiked, version: int) -> None:
    await _set_like(session, event, version, active=True)


@subscriptions.on(TweetUnliked)
async def on_tweet_unliked(session: AsyncSession, event: TweetUnliked, version: int) -> None:
    await _set_like(session, event, version, active=False)


async def _set_like(
    session: AsyncSession, event: TweetLiked | TweetUnliked, version: int, *, active: bool
) -> None:
    (tweet,) = await fetch(session, _LOCK_TWEET, event.tweet_id)
    if not tweet["deleted"]:
        await fetch(session, _SET_LIKE, event.tweet_id, event.user_id, active, version)
