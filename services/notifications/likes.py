"""Stores likes. A like is a notification of the tweet's author and a part of the tweet's count."""

import json
from collections.abc import Sequence

from chassis.database.session import AnySession, fetch

from . import positions
from .events import TweetLiked, TweetUnliked
from .shared_sql import RECENT, storing

# $1 is a JSON array with an object for each event. A tweet whose event has not arrived gets a
# placeholder. Its likes have no recipient until `tweets` gives them one.
_SET_LIKES = storing(
    """
liked as (
    select distinct on (tweet_id, user_id) *
    from json_to_recordset($1::json) as event (
        tweet_id bigint, user_id bigint, active boolean, version bigint, occurred_at timestamptz
    )
    where not exists (select from erasure where erasure.user_id = event.user_id)
    order by tweet_id, user_id, version desc
), incoming as (
    select
        'like' as family, 'like' as kind, tweet_id as subject_id,
        coalesce(tweet.author_id, 0) as recipient_id, user_id as actor_id,
        tweet_id as group_subject_id,
        case when tweet.author_id is not null then coalesce(tweet.root_id, tweet.id) end as root_id,
        active, version, occurred_at
    from liked left join lateral (
        select * from tweet where id = liked.tweet_id offset 0
    ) as tweet on true
    where tweet.deleted is not true
)
""",
    notices=f"""
    union all
    select distinct on (subject_id)
        'counts', subject_id, null, null, null, null, null, null
    from stored where active <> was_active and {RECENT}
""",  # noqa: S608  only constants are inserted
    result="""
insert into tweet (id, like_count)
select subject_id, sum(active::int - was_active::int) from stored group by subject_id
on conflict (id) do update set like_count = tweet.like_count + excluded.like_count
where excluded.like_count <> 0
""",
)


async def set_likes(
    session: AnySession, events: Sequence[tuple[TweetLiked | TweetUnliked, int]]
) -> None:
    """Applies likes and their ends, in any order."""
    rows = [
        {
            "tweet_id": event.tweet_id,
            "user_id": event.user_id,
            "active": isinstance(event, TweetLiked),
            "version": version,
            "occurred_at": event.occurred_at.isoformat(),
        }
        for event, version in events
    ]
    await positions.lock(session)
    await fetch(session, _SET_LIKES, json.dumps(rows))
