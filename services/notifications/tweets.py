"""Stores tweets, and whom they notify.

A new tweet notifies the people whom it mentions, the author of the tweet to which it replies, those
who follow its thread, and those who watch its author. The last two depend on what people have
chosen at that moment.

Replies and likes may arrive before their tweet. The tweet has a placeholder then, and their
notifications have no recipient. `_adopt` gives them one as soon as the tweet's author is known.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from asyncpg import Record

from chassis.database.session import AnySession, fetch

from . import positions
from .events import TweetDeleted, TweetPosted
from .shared_sql import NOTIFY_RECIPIENTS, RECENT, storing

CLEARED_BATCH = 5_000
"""The maximum number of notifications of deleted tweets that one statement deletes."""

_POSTED = """
json_to_recordset($1::json) as posted (
    tweet_id bigint, author_id bigint, parent_id bigint, root_id bigint, mentioned bigint[],
    tags text[], event text, version bigint, occurred_at timestamptz
)
"""
_IS_NOT_ERASED = "not exists (select from erasure where user_id = posted.author_id)"
# Before the tweets themselves are inserted. A parent whose own event has not arrived gets a
# placeholder.
_COUNT_REPLIES = f"""
insert into tweet (id, reply_count)
select parent_id, count(*) from {_POSTED}
where parent_id is not null and {_IS_NOT_ERASED}
    and coalesce((select author_id is null and not deleted from tweet where id = tweet_id), true)
group by parent_id
on conflict (id) do update set reply_count = tweet.reply_count + excluded.reply_count
"""  # noqa: S608  only constants are inserted
_INSERT_TWEETS = storing(
    f"""
inserted as (
    insert into tweet (id, author_id, parent_id, root_id)
    select tweet_id, author_id, parent_id, root_id from {_POSTED} where {_IS_NOT_ERASED}
    on conflict (id) do update set
        author_id = excluded.author_id, parent_id = excluded.parent_id, root_id = excluded.root_id
    where tweet.author_id is null and not tweet.deleted
    returning new.id, old.id is not null as had_placeholder
), posted as (
    select posted.* from {_POSTED} join inserted on inserted.id = tweet_id
), notified as (
    select tweet_id, recipient_id, 'mention' as kind, 1 as rank, tweet_id as group_subject_id
    from posted cross join unnest(mentioned) as recipient_id
    union all
    select tweet_id, coalesce(parent.author_id, 0), 'reply', 2, posted.parent_id
    from posted cross join lateral (
        select author_id from tweet
        where id = posted.parent_id and (author_id is not null or not deleted) offset 0
    ) as parent
    union all
    select tweet_id, user_id, 'thread', 3, posted.root_id
    from posted cross join lateral (
        select user_id from thread_preference
        where root_id = posted.root_id and state = 'followed' and since <= occurred_at offset 0
    ) as follower
    union all
    select tweet_id, user_id, 'watch', 4, author_id
    from posted cross join lateral (
        select user_id from watch where watched_id = author_id and since <= occurred_at offset 0
    ) as watcher
), incoming as (
    select distinct on (tweet_id, recipient_id)
        'tweet' as family, kind, tweet_id as subject_id, recipient_id, author_id as actor_id,
        group_subject_id, coalesce(root_id, tweet_id) as root_id, true as active, version,
        occurred_at
    from notified join posted using (tweet_id)
    where recipient_id <> author_id
        and not exists (select from erasure where user_id = recipient_id)
    order by tweet_id, recipient_id, rank
)
""",  # noqa: S608  only constants are inserted
    notices=f"""
    union all
    select
        'tweet', tweet_id, author_id, root_id, parent_id, tags, event, null
    from posted
    where {RECENT} and not coalesce((select hidden from person where id = author_id), false)
    union all
    select distinct on (parent_id)
        'counts', parent_id, null, null, null, null, null, null
    from posted where parent_id is not null and {RECENT}
""",  # noqa: S608  only constants are inserted
    result="select id, had_placeholder from inserted",
)
# Gives the replies and likes that wait for the authors of these tweets their recipients. The author
# of an erased person's tweet stays unknown, so what waits for it is only deleted. An author may
# have been notified of the same reply already, as a follower of the thread: `storing` decides then.
_ADOPT = storing("""
waiting as (
    delete from notification using tweet
    where tweet.id = any($1::bigint[]) and notification.recipient_id = 0
        and notification.group_subject_id = tweet.id and notification.kind in ('like', 'reply')
    returning notification.*, tweet.author_id, tweet.id as tweet_id, tweet.root_id as tweet_root_id,
        tweet.deleted
), incoming as (
    select
        family, kind, subject_id, author_id as recipient_id, actor_id, group_subject_id,
        case when family = 'like' then coalesce(tweet_root_id, tweet_id) else root_id end
            as root_id,
        active, version, occurred_at
    from waiting
    where family = 'like' and not deleted or family = 'tweet' and author_id <> actor_id
)
""")
# $1 is as in `_POSTED`. Of an erased person's tweet only its place in the thread stays.
_MARK_DELETED = f"""
insert into tweet (id, author_id, parent_id, root_id, deleted)
select tweet_id, case when {_IS_NOT_ERASED} then author_id end, parent_id, root_id, true
from {_POSTED}
on conflict (id) do update set
    author_id = coalesce(tweet.author_id, excluded.author_id),
    parent_id = coalesce(tweet.parent_id, excluded.parent_id),
    root_id = coalesce(tweet.root_id, excluded.root_id),
    like_count = 0, deleted = true
returning
    new.id, new.author_id, new.parent_id,
    old.id is not null and old.author_id is null as had_placeholder,
    old.author_id is not null and not old.deleted as was_live
"""  # noqa: S608  only constants are inserted
_ERASE = """
update tweet set author_id = null, like_count = 0, deleted = true where id = any($1::bigint[])
returning
    new.id, old.author_id, new.parent_id, false as had_placeholder, not old.deleted as was_live
"""
_UNCOUNT_REPLIES = """
update tweet set reply_count = reply_count - gone.replies
from (
    select parent_id, count(*) as replies from tweet
    where id = any($1::bigint[]) and parent_id is not null
    group by parent_id
) as gone
where tweet.id = gone.parent_id
"""
_APPEND_DELETED = f"""
with gone as (
    select tweet.id, deleted.author_id, parent_id, root_id, event
    from unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[])
        as deleted (id, author_id, event, occurred_at)
    join tweet using (id)
    where {RECENT}
), new_notice as (
    select 'deleted' as kind, id as tweet_id, author_id, root_id, event from gone
    union all
    select distinct 'counts', parent_id, null::bigint, null::bigint, null from gone
    where parent_id is not null
), given as (
    update position set position = position + (select count(*) from new_notice)
    where exists (select from new_notice) returning old.position as last
)
insert into notice (position, kind, tweet_id, author_id, root_id, event)
select last + row_number() over (), kind, tweet_id, author_id, root_id, event
from new_notice cross join given
"""  # noqa: S608  only constants are inserted
# Deletes at most $2 notifications about these tweets. Like every change of a batch, it finds the
# rows again by `ctid`, their place in the table. By their primary key PostgreSQL might use
# another index: after old statistics it read every row of a recipient for each row of the batch.
# No row moves meanwhile, because every writer holds the lock of `positions`.
_CLEAR = f"""
with gone as (
    delete from notification where ctid = any(array(
        select ctid from notification
        where family in ('tweet', 'like', 'announcement') and subject_id = any($1::bigint[])
        limit $2
    ))
    returning recipient_id, shown
), {NOTIFY_RECIPIENTS}
select count(*) as notifications from gone
"""  # noqa: S608  only constants are inserted
_ERASED_PEOPLE = "select user_id from erasure where user_id = any($1::bigint[])"
_CLEAR_LATER = """
insert into tweet_to_clear (tweet_id) select unnest($1::bigint[]) on conflict do nothing
"""


async def insert_tweets(session: AnySession, events: Sequence[tuple[TweetPosted, int]]) -> None:
    """Inserts the tweets that are new. Those of erased people become tombstones."""
    await positions.lock(session)
    posted = json.dumps([_row(event, version) for event, version in events])
    if any(event.thread for event, _ in events):
        await fetch(session, _COUNT_REPLIES, posted)
    inserted = await fetch(session, _INSERT_TWEETS, posted)
    if placeholders := [row["id"] for row in inserted if row["had_placeholder"]]:
        await fetch(session, _ADOPT, placeholders)
    if len(inserted) < len(events):
        new = {row["id"] for row in inserted}
        authors = [event.author_id for event, _ in events if event.tweet_id not in new]
        erased = {row["user_id"] for row in await fetch(session, _ERASED_PEOPLE, authors)}
        late = [each for each in events if each[0].author_id in erased]
        if late:
            await delete_tweets(session, late)


async def delete_tweets(
    session: AnySession, events: Sequence[tuple[TweetPosted | TweetDeleted, int]]
) -> None:
    """Makes tombstones of these tweets, and deletes a batch of the notifications about them."""
    await positions.lock(session)
    rows = json.dumps([_row(event, version) for event, version in events])
    marked = await fetch(session, _MARK_DELETED, rows)
    causes = {event.tweet_id: (f"tweets:{version}", event.occurred_at) for event, version in events}
    await _finish_deletion(session, marked, causes)


async def erase_tweets(session: AnySession, tweet_ids: Sequence[int]) -> None:
    """As `delete_tweets`, for tweets of an erased person, some of which are deleted already."""
    await positions.lock(session)
    marked = await fetch(session, _ERASE, tweet_ids)
    await _finish_deletion(session, marked, dict.fromkeys(tweet_ids, (None, datetime.now(UTC))))


async def _finish_deletion(
    session: AnySession,
    marked: Sequence[Record],
    causes: Mapping[int, tuple[str | None, datetime]],
) -> None:
    if live := [row for row in marked if row["was_live"]]:
        if replies := [row["id"] for row in live if row["parent_id"] is not None]:
            await fetch(session, _UNCOUNT_REPLIES, replies)
        deleted = [(row["id"], row["author_id"], *causes[row["id"]]) for row in live]
        await fetch(session, _APPEND_DELETED, *zip(*deleted, strict=True))
    if placeholders := [row["id"] for row in marked if row["had_placeholder"]]:
        await fetch(session, _ADOPT, placeholders)
    tweet_ids = [row["id"] for row in marked]
    if await clear(session, tweet_ids) == CLEARED_BATCH:
        await fetch(session, _CLEAR_LATER, tweet_ids)


async def clear(session: AnySession, tweet_ids: Sequence[int]) -> int:
    """Deletes a batch of the notifications about deleted tweets. Returns how many.

    The worker deletes the rest later: see `privacy.eraser`.
    """
    (row,) = await fetch(session, _CLEAR, tweet_ids, CLEARED_BATCH)
    return int(row["notifications"])


def _row(event: TweetPosted | TweetDeleted, version: int) -> dict[str, object]:
    entities = event.entities if isinstance(event, TweetPosted) else ()
    return {
        "tweet_id": event.tweet_id,
        "author_id": event.author_id,
        "parent_id": event.thread and event.thread.parent_id,
        "root_id": event.thread and event.thread.root_id,
        "mentioned": [each.user_id for each in entities if each.user_id is not None],
        "tags": [each.tag for each in entities if each.tag is not None] or None,
        "event": f"tweets:{version}",
        "version": version,
        "occurred_at": event.occurred_at.isoformat(),
    }
