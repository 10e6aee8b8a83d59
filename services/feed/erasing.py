"""What is a person's in the feed, for the job that takes it away.

A tweet leaves its number and nothing else, as a deleted one does, so that its likes find it gone.
"""

from sqlalchemy import text

from chassis.database import Database, execute
from chassis.erasure import BATCH, Eraser

from .handlers import subscriptions

_TWEETS = text("""
select id from tweet where visible and author_id = :user_id
order by id desc limit :batch for update
""")
_THEIR_LIKES = text("delete from tweet_like where tweet_id = any(:tweets)")
_TAKE_TWEETS = text("""
update tweet set deleted = true, author_id = null, card = null, like_count = 0
where id = any(:tweets)
""")
_LIKED = text("select tweet_id from tweet_like where user_id = :user_id limit :batch")
# In one order, since other erasures do the same; whoever handles a like holds its tweet first.
_HOLD = text("select from tweet where id = any(:tweets) order by id for update")
_TAKE_LIKES = text("""
with gone as (
    delete from tweet_like where user_id = :user_id and tweet_id = any(:tweets)
    returning tweet_id, active
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
) as edge
where follow.follower_id = edge.follower_id and follow.followed_id = edge.followed_id
""")


async def _sweep(database: Database, user_id: int) -> int:
    whose = {"user_id": user_id, "batch": BATCH}
    async with database.transaction() as session:
        tweets = list((await execute(session, _TWEETS, whose)).scalars())
        if tweets:
            await execute(session, _THEIR_LIKES, {"tweets": tweets})
            return (await execute(session, _TAKE_TWEETS, {"tweets": tweets})).rowcount
        liked = list((await execute(session, _LIKED, whose)).scalars())
        if liked:
            theirs = {"user_id": user_id, "tweets": liked}
            await execute(session, _HOLD, theirs)
            return int((await execute(session, _TAKE_LIKES, theirs)).scalar_one())
        return (await execute(session, _TAKE_FOLLOWS, whose)).rowcount


eraser = Eraser(_sweep, subscriptions=subscriptions)
