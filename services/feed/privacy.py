"""The personal data in the feed: what an erasure deletes.

A change that adds a table or a column with a person's data changes this module too. There is
nothing to export here: the feed only has copies of what users and tweets export.

`handlers.on_user_erased` deletes name and picture and hides the person at once. The sweep below
then deletes the person's tweets, likes and follows, in batches. Of a tweet only the id and the
place in its thread stay, as of any deleted tweet, so that late likes and replies find the
tombstone.
"""

from sqlalchemy import text

from chassis.database.session import Database, execute
from chassis.privacy.erasure import BATCH, DeadLetters, Eraser

from .events import UserErased
from .handlers import LIKES_BATCH, delete_likes, delete_tweets, subscriptions

_LOCK_TWEETS_BY = text("""
select id from tweet where author_id = :user_id
order by id limit :batch for update
""")
# `skip locked`: two workers take different tweets.
_IS_LEFT = "select from likes_to_delete limit 1"
_TWEETS_WITH_DEFERRED_LIKES = text("""
select tweet_id from likes_to_delete order by tweet_id limit :batch for update skip locked
""")
_DELETE_DEFERRED = text("delete from likes_to_delete where tweet_id = any(:tweets)")
_LIKED_TWEETS = text("select tweet_id from tweet_like where user_id = :user_id limit :batch")
# All erasures lock tweets in the order of their ids, and handlers of likes lock the tweet first, so
# they cannot deadlock.
_LOCK_TWEETS = text("select from tweet where id = any(:tweets) order by id for update")
_DELETE_LIKES_BY = text("""
with deleted as (
    delete from tweet_like using (
        select tweet_id from tweet_like
        where user_id = :user_id and tweet_id = any(:tweets)
        order by tweet_id for update
    ) as batch
    where tweet_like.user_id = :user_id and tweet_like.tweet_id = batch.tweet_id
    returning tweet_like.tweet_id, active
), recounted as (
    update tweet set like_count = like_count - 1
    from deleted where tweet.id = deleted.tweet_id and deleted.active
)
select count(*) from deleted
""")
_DELETE_TAG_FOLLOWS = text("""
delete from tag_follow where user_id = :user_id and tag in (
    select tag from tag_follow where user_id = :user_id limit :batch
)
""")
_DELETE_FOLLOWS_OF = text("""
delete from follow using (
    (select follower_id, followed_id from follow where follower_id = :user_id limit :batch)
    union all
    (select follower_id, followed_id from follow where followed_id = :user_id limit :batch)
    limit :batch
) as edge
where follow.follower_id = edge.follower_id and follow.followed_id = edge.followed_id
""")


# A handler that ran just before the tombstone was committed may have stored it.
_DELETE_PICTURE = text("""
update person set picture = null, picture_version = 0
where id = :user_id and picture_version > 0
""")


async def _sweep(database: Database, user_id: int) -> int:
    """Deletes a batch of the person's data. Returns the number of rows; 0 if nothing is left."""
    batch = {"user_id": user_id, "batch": BATCH}
    async with database.transaction() as session:
        tweets = list((await execute(session, _LOCK_TWEETS_BY, batch)).scalars())
        if tweets:
            await delete_tweets(session, tweets)
            return len(tweets)
        liked = list((await execute(session, _LIKED_TWEETS, batch)).scalars())
        if liked:
            likes = {"user_id": user_id, "tweets": liked}
            await execute(session, _LOCK_TWEETS, likes)
            return int((await execute(session, _DELETE_LIKES_BY, likes)).scalar_one())
        tags = (await execute(session, _DELETE_TAG_FOLLOWS, batch)).rowcount
        tags += (await execute(session, _DELETE_PICTURE, {"user_id": user_id})).rowcount
        return tags + (await execute(session, _DELETE_FOLLOWS_OF, batch)).rowcount


async def _clean_up(database: Database) -> int:
    """Deletes a batch of the likes of deleted tweets. Returns the number of rows; 0 if nothing is
    left."""
    # Every second, and almost always in vain: a bare connection is cheaper than a session.
    if not await database.fetch(_IS_LEFT):
        return 0
    async with database.transaction() as session:
        tweets = list(
            (await execute(session, _TWEETS_WITH_DEFERRED_LIKES, {"batch": BATCH})).scalars()
        )
        if not tweets:
            return 0
        likes = await delete_likes(session, tweets)
        if likes == LIKES_BATCH:
            return likes
        return likes + (await execute(session, _DELETE_DEFERRED, {"tweets": tweets})).rowcount


eraser = Eraser(
    _sweep,
    dead_letters=DeadLetters(
        subscriptions, UserErased, ("user_id", "author_id", "follower_id", "followed_id")
    ),
    clean_up=_clean_up,
)
