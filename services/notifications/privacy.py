"""The personal data in the notifications: what an export contains, and what an erasure deletes.

*Export.* The archive contains what the person has decided: the settings, the threads that they
follow or mute, and the people whom they watch. The notifications themselves are copies of what
other people did.

A change that adds a table or a column with a person's data changes this module too.

`handlers.on_user_erased` deletes name and picture and hides the person at once. The sweep below
then deletes everything else, in batches: the person's tweets, and the notifications in which the
person is the actor or the recipient; follows, settings, and lines of the log. Of a tweet only the
id and the place in its thread stay, so that late likes and replies find the tombstone.
"""

from chassis.database.session import Database, fetch
from chassis.privacy.erasure import BATCH, DeadLetters, Eraser

from . import positions
from .events import UserErased
from .handlers import subscriptions
from .queries import EXPORT
from .shared_sql import NOTIFY_RECIPIENTS, RECENT
from .tweets import CLEARED_BATCH, clear, erase_tweets

EXPORT_LISTS = {"notifications": EXPORT}

_TWEETS_BY = "select id from tweet where author_id = $1 order by id limit $2"
# Batches are changed by `ctid`: see `_CLEAR` in tweets.py.
# Others' likes of the person's own tweets need no recount, because these tweets are deleted before.
_DELETE_NOTIFICATIONS = f"""
with gone as (
    delete from notification where ctid = any(array(
        (select ctid from notification where actor_id = $1 limit $2)
        union
        (select ctid from notification where recipient_id = $1 limit $2)
        limit $2
    ))
    returning *
), recounted as (
    update tweet set like_count = like_count - 1
    from gone
    where family = 'like' and active and id = subject_id and not deleted
), {NOTIFY_RECIPIENTS}
select count(*) as rows from gone
"""  # noqa: S608  only constants are inserted
_DELETE_BETWEEN_PEOPLE = """
with gone as (
    delete from {table} where ctid = any(array(
        (select ctid from {table} where {one} = $1 limit $2)
        union all
        (select ctid from {table} where {other} = $1 limit $2)
        limit $2
    ))
    returning 1
)
select count(*) as rows from gone
"""
_DELETE_NOTICES = """
with gone as (
    delete from notice where ctid = any(array(
        (select ctid from notice where author_id = $1 limit $2)
        union all
        (select ctid from notice where recipient_id = $1 limit $2)
        union all
        (select ctid from notice where group_kind = 'watch' and group_subject_id = $1 limit $2)
        limit $2
    ))
    returning 1
)
select count(*) as rows from gone
"""
_DELETE_ANNOUNCEMENTS = """
with gone as (
    delete from announcement where tweet_id in (
        select tweet_id from announcement where author_id = $1 limit $2
    )
    returning 1
)
select count(*) as rows from gone
"""
_DELETE_BY_USER = """
with gone as (
    delete from {table} where user_id = $1 and {key} in (
        select {key} from {table} where user_id = $1 limit $2
    )
    returning 1
)
select count(*) as rows from gone
"""
_DELETIONS = (
    # Before the notifications, so that no registration that arrives late adds one.
    _DELETE_ANNOUNCEMENTS,
    _DELETE_NOTIFICATIONS,
    _DELETE_BETWEEN_PEOPLE.format(table="follow", one="follower_id", other="followed_id"),
    _DELETE_BETWEEN_PEOPLE.format(table="watch", one="user_id", other="watched_id"),
    _DELETE_NOTICES,
    *(
        _DELETE_BY_USER.format(table=table, key=key)
        for table, key in (
            ("tag_follow", "tag"),
            ("preference", "kind"),
            ("thread_preference", "root_id"),
            ("seen", "user_id"),
        )
    ),
)
"""Each deletes at most $2 rows of the person $1."""

_IS_LEFT = """
select from tweet_to_clear union all select from person_to_hide union all select from person_to_show
limit 1
"""
_TWEETS_TO_CLEAR = "select tweet_id from tweet_to_clear order by tweet_id limit $1"
_CLEARED = "delete from tweet_to_clear where tweet_id = any($1::bigint[])"
_PERSON_TO_HIDE = "select user_id from person_to_hide order by user_id limit 1"
_HIDE_NOTIFICATIONS = f"""
with gone as (
    update notification set shown = false
    where ctid = any(array(
        select ctid from notification where actor_id = $1 and shown limit $2
    ))
    returning recipient_id, old.shown
), {NOTIFY_RECIPIENTS}
select count(*) as rows from gone
"""  # noqa: S608  only constants are inserted
_HIDDEN = "delete from person_to_hide where user_id = $1"
_PERSON_TO_SHOW = "select user_id from person_to_show order by user_id limit 1"
# A notification that was stored while its actor was hidden has no `seq` yet, and is announced.
_SHOW_NOTIFICATIONS = f"""
with last as (
    select position from position
), batch as (
    select ctid, seq,
        count(*) filter (where seq = 0) over (
            order by version, subject_id, recipient_id rows unbounded preceding
        ) as number
    from notification
    where actor_id = $1 and not shown and active and recipient_id not in (0, $1)
    limit $2
), stored as (
    update notification set
        shown = true,
        seq = case when batch.seq = 0 then last.position + number else batch.seq end
    from batch cross join last
    where notification.ctid = batch.ctid
    returning new.*, old.seq as old_seq
), announced as (
    insert into notice (position, kind, recipient_id, group_kind, group_subject_id, group_day)
    select seq, 'notification', recipient_id, kind, group_subject_id, day
    from stored where old_seq = 0 and {RECENT}
), recipient as (
    select distinct recipient_id from stored
), counted as (
    select (select count(*) from stored where old_seq = 0) as given,
        (select count(*) from recipient) as recipients
), appended as (
    insert into notice (position, kind, recipient_id)
    select last.position + given + row_number() over (), 'seen', recipient_id
    from recipient cross join last cross join counted
), advanced as (
    update position set position = position.position + given + recipients
    from counted where given + recipients > 0
)
select count(*) as rows from stored
"""  # noqa: S608  only constants are inserted
_SHOWN = "delete from person_to_show where user_id = $1"


async def _sweep(database: Database, user_id: int) -> int:
    """Deletes a batch of the person's data. Returns the number of rows; 0 if nothing is left."""
    async with database.transaction() as session:
        await positions.lock(session)
        tweets = [row["id"] for row in await fetch(session, _TWEETS_BY, user_id, BATCH)]
        if tweets:
            await erase_tweets(session, tweets)
            return len(tweets)
        for deletion in _DELETIONS:
            (row,) = await fetch(session, deletion, user_id, BATCH)
            if row["rows"]:
                return int(row["rows"])
    return 0


async def _clean_up(database: Database) -> int:
    """Deletes a batch of the notifications of deleted tweets, or hides a batch of those of a
    deactivated person, or shows a batch of those of a person who has come back. Returns the number
    of rows; 0 if nothing is left."""
    # Every second: without the lock, for which handlers would wait.
    if not await database.fetch(_IS_LEFT):
        return 0
    async with database.transaction() as session:
        await positions.lock(session)
        tweets = [row["tweet_id"] for row in await fetch(session, _TWEETS_TO_CLEAR, BATCH)]
        if tweets:
            cleared = await clear(session, tweets)
            if cleared < CLEARED_BATCH:
                await fetch(session, _CLEARED, tweets)
            return cleared + len(tweets)
        for next_person, change, finish in (
            (_PERSON_TO_HIDE, _HIDE_NOTIFICATIONS, _HIDDEN),
            (_PERSON_TO_SHOW, _SHOW_NOTIFICATIONS, _SHOWN),
        ):
            for person in await fetch(session, next_person):
                (row,) = await fetch(session, change, person["user_id"], CLEARED_BATCH)
                if row["rows"] < CLEARED_BATCH:
                    await fetch(session, finish, person["user_id"])
                return int(row["rows"]) + 1
    return 0


eraser = Eraser(
    _sweep,
    dead_letters=DeadLetters(
        subscriptions,
        UserErased,
        ("user_id", "author_id", "follower_id", "followed_id", "reporter_id"),
    ),
    clean_up=_clean_up,
)
