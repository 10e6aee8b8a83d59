"""The personal data in tweets: what an export contains, and what an erasure deletes.

A change that adds a table or a column with a person's data changes both halves of this module.

*Export.* Each statement of EXPORT_LISTS reads one list for the archive that a person can download;
`chassis.privacy.export` explains the parameters.

*Erasure.* The sweep deletes the person's tweets first, then the person's likes, the copies of media
records, the drafts, the followed hashtags, the copies of follows, the reports by the person and
about the person, announcements with their acknowledgements, and pins. The handler of the erasure
has deleted the copy of the name at once. Replies of other people stay; the feed shows that a tweet
is missing above them.

The difficulty is the likes of other people: one tweet may have millions, so a batch counts likes
and not tweets. While the likes of a tweet are being deleted, new ones must not arrive faster than
the job deletes them. Therefore the job first closes the tweets of the batch as if they were
deleted, which makes every later like or reply fail, and deletes the likes in several transactions.
A like or a reply whose transaction began before that holds a lock on the tweet; the job waits for
it with a lock of its own, deletes the late likes, and deletes the tweets in the same transaction.
"""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database.session import Database, execute
from chassis.privacy.erasure import BATCH, DeadLetters, Eraser, Redaction

from .events import UserErased
from .handlers import subscriptions

_TWEETS = """
select id as key, json_build_object(
    'id', id, 'reply_to', parent_id, 'content', content, 'created_at', created_at,
    'attachments', (
        select coalesce(json_agg(path order by media.id), '[]')
        from media where media.tweet_id = tweet.id
    )
)::text as line
from tweet where author_id = $1 and id > $2 and deleted_at is null order by id limit $3
"""
_LIKES = """
select tweet_id as key, json_build_object('tweet_id', tweet_id)::text as line
from tweet_like where user_id = $1 and tweet_id > $2 and active order by tweet_id limit $3
"""

_TAGS = """
select version as key, json_build_object('tag', tag)::text as line
from tag_follow where user_id = $1 and version > $2 and active order by version limit $3
"""

_REPORTS = """
select id as key, json_build_object(
    'tweet_id', tweet_id, 'user_id', user_id, 'reason', reason, 'note', note,
    'created_at', created_at, 'closed_at', closed_at
)::text as line
from report where reporter_id = $1 and id > $2 order by id limit $3
"""

_ACKNOWLEDGEMENTS = """
select tweet_id as key, json_build_object(
    'tweet_id', tweet_id, 'acknowledged_at', acknowledged_at
)::text as line
from acknowledgement where user_id = $1 and tweet_id > $2 order by tweet_id limit $3
"""
_PINS = """
select tweet_id as key,
    json_build_object('tweet_id', tweet_id, 'pinned_at', pinned_at)::text as line
from pin where user_id = $1 and tweet_id > $2 order by tweet_id limit $3
"""

EXPORT_LISTS = {
    "tweets": _TWEETS,
    "likes": _LIKES,
    "tags": _TAGS,
    "reports": _REPORTS,
    "acknowledgements": _ACKNOWLEDGEMENTS,
    "pins": _PINS,
}

LIKES_BATCH = 5_000
"""The most likes of the person's tweets that one statement deletes. No request waits for the locks
of these rows, and each statement scans the index entries of the rows that were deleted before it,
so small batches would cost more."""

_SELECT_TWEETS = text("select id from tweet where author_id = :user_id order by id limit :batch")
_CLOSE_TWEETS = text("""
update tweet set deleted_at = now(), content = ''
where id = any(:tweets) and deleted_at is null
""")
_LOCK_TWEETS = text("select from tweet where id = any(:tweets) order by id for update")
# Locks rows in the order (tweet, person), like _DELETE_LIKES_BY_PERSON. The person of a like may be
# erased at the same moment; with different orders, the two jobs could deadlock.
_DELETE_LIKES_OF_TWEETS = text("""
delete from tweet_like using (
    select tweet_id, user_id
    from unnest(cast(:tweets as bigint[])) as tweet (id)
    cross join lateral (
        select tweet_id, user_id from tweet_like where tweet_id = tweet.id
        order by user_id limit :batch for update
    ) as one
    limit :batch
) as batch
where tweet_like.tweet_id = batch.tweet_id and tweet_like.user_id = batch.user_id
""")
# A tweet has one draft at most, so the number of tweets bounds the number of rows.
_DELETE_DRAFTS_OF_TWEETS = text("delete from draft where tweet_id = any(:tweets)")
_DELETE_TWEETS = text("delete from tweet where id = any(:tweets)")
_DELETE_LIKES_BY_PERSON = text("""
delete from tweet_like using (
    select tweet_id from tweet_like where user_id = :user_id
    order by tweet_id limit :batch for update
) as batch
where tweet_like.user_id = :user_id and tweet_like.tweet_id = batch.tweet_id
""")
_DELETE_MEDIA = text("""
delete from media where id in (select id from media where owner_id = :user_id limit :batch)
""")
_DELETE_FOLLOWS = text("""
delete from follow using (
    (select follower_id, followed_id from follow where follower_id = :user_id limit :batch)
    union all
    (select follower_id, followed_id from follow where followed_id = :user_id limit :batch)
    limit :batch
) as edge
where follow.follower_id = edge.follower_id and follow.followed_id = edge.followed_id
""")
_DELETE_TAG_FOLLOWS = text("""
delete from tag_follow where user_id = :user_id and tag in (
    select tag from tag_follow where user_id = :user_id limit :batch
)
""")
_DELETE_REPORTS = text("""
delete from report where id in (
    (select id from report where reporter_id = :user_id limit :batch)
    union
    (select id from report where user_id = :user_id limit :batch)
    limit :batch
)
""")
_DELETE_ACKNOWLEDGEMENTS = text("""
delete from acknowledgement using (
    (select tweet_id, user_id from acknowledgement where user_id = :user_id limit :batch)
    union
    (
        select acknowledgement.tweet_id, acknowledgement.user_id
        from announcement join acknowledgement using (tweet_id)
        where author_id = :user_id limit :batch
    )
    limit :batch
) as batch
where acknowledgement.tweet_id = batch.tweet_id and acknowledgement.user_id = batch.user_id
""")
_DELETE_ANNOUNCEMENTS = text("""
delete from announcement where tweet_id in (
    select tweet_id from announcement where author_id = :user_id
        and not exists (
            select from acknowledgement where acknowledgement.tweet_id = announcement.tweet_id
        )
    limit :batch
)
""")
_DELETE_PINS = text("delete from pin where user_id = :user_id")
_DELETE_DRAFTS_BY_PERSON = text("""
delete from draft where author_id = :user_id and id in (
    select id from draft where author_id = :user_id limit :batch
)
""")


async def _sweep(database: Database, user_id: int) -> int:
    """Deletes a batch of the person's rows; returns how many."""
    parameters = {"user_id": user_id, "batch": BATCH}
    async with database.transaction() as session:
        tweets = list((await execute(session, _SELECT_TWEETS, parameters)).scalars())
        if tweets:
            return await _delete_tweets(session, tweets)
        deleted = 0
        for statement in (
            _DELETE_LIKES_BY_PERSON,
            _DELETE_MEDIA,
            _DELETE_DRAFTS_BY_PERSON,
            _DELETE_FOLLOWS,
            _DELETE_TAG_FOLLOWS,
            _DELETE_REPORTS,
            _DELETE_ACKNOWLEDGEMENTS,
            _DELETE_ANNOUNCEMENTS,
            _DELETE_PINS,
        ):
            deleted += (await execute(session, statement, parameters)).rowcount
        return deleted


async def _delete_tweets(session: AsyncSession, tweets: list[int]) -> int:
    """Deletes a batch of the likes of these tweets or, if there are none, the tweets."""
    parameters = {"tweets": tweets, "batch": LIKES_BATCH}
    await execute(session, _CLOSE_TWEETS, parameters)
    likes = (await execute(session, _DELETE_LIKES_OF_TWEETS, parameters)).rowcount
    if likes:
        return likes
    # Waits for likes whose transactions began before the tweets were closed.
    await execute(session, _LOCK_TWEETS, parameters)
    late_likes = (await execute(session, _DELETE_LIKES_OF_TWEETS, parameters)).rowcount
    if late_likes == LIKES_BATCH:
        return late_likes
    await execute(session, _DELETE_DRAFTS_OF_TWEETS, parameters)
    return late_likes + (await execute(session, _DELETE_TWEETS, parameters)).rowcount


eraser = Eraser(
    _sweep,
    {
        "tweet.posted.v1": Redaction(
            "author_id",
            {"content": "", "media_ids": [], "attachments": [], "media": [], "entities": []},
        )
    },
    DeadLetters(subscriptions, UserErased, ("owner_id", "user_id", "follower_id", "followed_id")),
)
