"""What is a person's in tweets, for the job that takes it away."""

from sqlalchemy import text

from chassis.database import Database, execute
from chassis.erasure import BATCH, Eraser, Told

from .handlers import subscriptions

# Whoever likes one of them meanwhile waits for its row, and then finds that it is gone.
_TWEETS = text("""
select id from tweet where author_id = :user_id limit :batch for update
""")
_THEIR_LIKES = text("delete from tweet_like where tweet_id = any(:tweets)")
_THEIR_DRAFTS = text("delete from draft where tweet_id = any(:tweets)")
_TAKE_TWEETS = text("delete from tweet where id = any(:tweets)")
_TAKE_LIKES = text("""
delete from tweet_like where user_id = :user_id and tweet_id in (
    select tweet_id from tweet_like where user_id = :user_id limit :batch
)
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
            for statement in (_THEIR_LIKES, _THEIR_DRAFTS, _TAKE_TWEETS):
                await execute(session, statement, {"tweets": tweets})
            return len(tweets)
        taken = 0
        for statement in (_TAKE_LIKES, _TAKE_PICTURES, _TAKE_DRAFTS):
            taken += (await execute(session, statement, whose)).rowcount
        return taken


eraser = Eraser(
    _sweep,
    {
        "tweet.posted.v1": Told(
            "author_id", {"content": "", "media_ids": [], "attachments": [], "media": []}
        )
    },
    subscriptions,
)
