"""What is a person's in tweets, for the job that takes it away."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database, execute
from chassis.erasure import BATCH, Eraser, Told

from .handlers import subscriptions

LIKES_BATCH = 5_000
"""Likes of deleted tweets that one statement deletes at most. No request waits for such rows, and
small batches would pass again and again over the index entries of those that are gone."""

_TWEETS = text("select id from tweet where author_id = :user_id order by id limit :batch")
_CLOSE = text("""
update tweet set deleted_at = now(), content = ''
where id = any(:tweets) and deleted_at is null
""")
_LOCK = text("select from tweet where id = any(:tweets) order by id for update")
# One tweet may have millions of likes: a batch counts them, not the tweets. Rows are locked in the
# order (tweet, person), as _TAKE_LIKES does: two erasures may delete the same likes at once.
_THEIR_LIKES = text("""
delete from tweet_like using (
    select tweet_id, user_id
    from unnest(cast(:tweets as bigint[])) as tweet (id)
    cross join lateral (
        select tweet_id, user_id from tweet_like where tweet_id = tweet.id
        order by user_id limit :batch for update
    ) as one
    limit :batch
) as doomed
where tweet_like.tweet_id = doomed.tweet_id and tweet_like.user_id = doomed.user_id
""")
# A tweet has one draft at most.
_THEIR_DRAFTS = text("delete from draft where tweet_id = any(:tweets)")
_TAKE_TWEETS = text("delete from tweet where id = any(:tweets)")
_TAKE_LIKES = text("""
delete from tweet_like using (
    select tweet_id from tweet_like where user_id = :user_id
    order by tweet_id limit :batch for update
) as doomed
where tweet_like.user_id = :user_id and tweet_like.tweet_id = doomed.tweet_id
""")
_TAKE_PICTURES = text("""
delete from media where id in (select id from media where owner_id = :user_id limit :batch)
""")
_TAKE_DRAFTS = text("""
delete from draft where author_id = :user_id and id in (
    select id from draft where author_id = :user_id limit :batch
)
""")


async def _sweep(database: Database, user_id: int) -> int:
    whose = {"user_id": user_id, "batch": BATCH}
    async with database.transaction() as session:
        tweets = list((await execute(session, _TWEETS, whose)).scalars())
        if tweets:
            return await _take_tweets(session, tweets)
        taken = 0
        for statement in (_TAKE_LIKES, _TAKE_PICTURES, _TAKE_DRAFTS):
            taken += (await execute(session, statement, whose)).rowcount
        return taken


async def _take_tweets(session: AsyncSession, tweets: list[int]) -> int:
    """Takes away a batch of the likes of these tweets, or the tweets themselves without any."""
    these = {"tweets": tweets, "batch": LIKES_BATCH}
    # A closed tweet takes no more likes. Otherwise new likes might come faster than a batch goes.
    await execute(session, _CLOSE, these)
    likes = (await execute(session, _THEIR_LIKES, these)).rowcount
    if likes:
        return likes
    # A like that was under way when its tweet was closed holds the tweet until it is committed.
    await execute(session, _LOCK, these)
    late = (await execute(session, _THEIR_LIKES, these)).rowcount
    if late == LIKES_BATCH:
        return late
    await execute(session, _THEIR_DRAFTS, these)
    return late + (await execute(session, _TAKE_TWEETS, these)).rowcount


eraser = Eraser(
    _sweep,
    {
        "tweet.posted.v1": Told(
            "author_id", {"content": "", "media_ids": [], "attachments": [], "media": []}
        )
    },
    subscriptions,
)
