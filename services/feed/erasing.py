"""What is a person's in the feed, for the job that takes it away.

A tweet leaves its number and nothing else, as a deleted one does, so that its likes find it gone.
"""

from sqlalchemy import text

from chassis.database import Database, execute
from chassis.erasure import BATCH, Eraser

from .handlers import LIKES_BATCH, delete_likes, delete_tweets, subscriptions

_TWEETS = text("""
select id from tweet where visible and author_id = :user_id
order by id limit :batch for update
""")
# Two workers take different tweets.
_LEFT = text("""
select tweet_id from likes_to_delete order by tweet_id limit :batch for update skip locked
""")
_NOTHING_LEFT = text("delete from likes_to_delete where tweet_id = any(:tweets)")
_LIKED = text("select tweet_id from tweet_like where user_id = :user_id limit :batch")
# All erasures lock tweets in this order. A handler of a like locks the tweet first, too.
_HOLD = text("select from tweet where id = any(:tweets) order by id for update")
_TAKE_LIKES = text("""
with gone as (
    delete from tweet_like using (
        select tweet_id from tweet_like
        where user_id = :user_id and tweet_id = any(:tweets)
        order by tweet_id for update
    ) as doomed
    where tweet_like.user_id = :user_id and tweet_like.tweet_id = doomed.tweet_id
    returning tweet_like.tweet_id, active
), counted as (
    update tweet set like_count = like_count - 1
    from gone where tweet.id = gone.tweet_id and gone.active
)
select count(*) from gone
""")
_TAKE_FOLLOWS = text("""
delete from follow using (
    (select follower_id, followed_id from follow where follower_id = :user_id limit :batch)
    union all
    (select follower_id, followed_id from follow where followed_id = :user_id limit :batch)
    limit :batch
) as edge
where follow.follower_id = edge.follower_id and follow.followed_id = edge.followed_id
""")


async def _sweep(database: Database, user_id: int) -> int:
    whose = {"user_id": user_id, "batch": BATCH}
    async with database.transaction() as session:
        tweets = list((await execute(session, _TWEETS, whose)).scalars())
        if tweets:
            await delete_tweets(session, tweets)
            return len(tweets)
        liked = list((await execute(session, _LIKED, whose)).scalars())
        if liked:
            theirs = {"user_id": user_id, "tweets": liked}
            await execute(session, _HOLD, theirs)
            return int((await execute(session, _TAKE_LIKES, theirs)).scalar_one())
        return (await execute(session, _TAKE_FOLLOWS, whose)).rowcount


async def _clean_up(database: Database) -> int:
    """Deletes a batch of the likes that deletions have left; gives 0 when there are none."""
    async with database.transaction() as session:
        tweets = list((await execute(session, _LEFT, {"batch": BATCH})).scalars())
        if not tweets:
            return 0
        likes = await delete_likes(session, tweets)
        if likes == LIKES_BATCH:
            return likes
        return likes + (await execute(session, _NOTHING_LEFT, {"tweets": tweets})).rowcount


eraser = Eraser(_sweep, subscriptions=subscriptions, clean_up=_clean_up)
