"""Bulk handlers: each applies many events of one class, in one statement or a few.

A rebuild of the feed applies all events that were ever published. One statement for each would take
too long, so the rebuild uses these twins of the handlers in `handlers`. They may be simpler in two
ways. Handlers commute, so a bulk handler need not keep the order of its events; of several events
about the same thing it applies only the one with the highest version. And only the rebuild writes
to the copy that it fills, so no row needs a lock. A test compares the tables that both modules
produce.

Classes of which there are few events have no bulk handler: the importer calls their handler.
"""

from collections.abc import Mapping, Sequence

from chassis.database.session import AnySession, fetch
from chassis.messaging.events import Event
from chassis.projections.importer import BulkHandler

from .events import (
    TweetLiked,
    TweetPosted,
    TweetUnliked,
    UserFollowed,
    UserRegistered,
    UserUnfollowed,
)
from .handlers import insert_tweets

# `distinct on`: one insert cannot change the same row twice.
_SET_NAMES = """
insert into person (id, name, version)
select distinct on (id) id, name, version
from unnest($1::bigint[], $2::text[], $3::bigint[]) as event (id, name, version)
order by id, version desc
on conflict (id) do update set name = excluded.name, version = excluded.version
where person.version < excluded.version
"""
_SET_FOLLOWS = """
insert into follow (follower_id, followed_id, active, version)
select distinct on (follower_id, followed_id) follower_id, followed_id, active, version
from unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[])
    as event (follower_id, followed_id, active, version)
where not exists (select from erasure where user_id in (follower_id, followed_id))
order by follower_id, followed_id, version desc
on conflict (follower_id, followed_id)
do update set active = excluded.active, version = excluded.version
where follow.version < excluded.version
"""
_INSERT_PLACEHOLDERS = """
insert into tweet (id) select distinct unnest($1::bigint[]) on conflict do nothing
"""
_SET_LIKES = """
with latest as (
    select distinct on (tweet_id, user_id) tweet_id, user_id, active, version
    from unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[])
        as event (tweet_id, user_id, active, version)
    join tweet on tweet.id = tweet_id
    where not deleted and not exists (select from erasure where erasure.user_id = event.user_id)
    order by tweet_id, user_id, version desc
), before as (
    select tweet_id, user_id, tweet_like.active
    from tweet_like join latest using (tweet_id, user_id)
), after as (
    insert into tweet_like (tweet_id, user_id, active, version)
    select tweet_id, user_id, active, version from latest
    on conflict (tweet_id, user_id)
    do update set active = excluded.active, version = excluded.version
    where tweet_like.version < excluded.version
    returning tweet_id, user_id, active
)
update tweet set like_count = like_count + change.step
from (
    select tweet_id, sum(after.active::int - coalesce(before.active, false)::int) as step
    from after left join before using (tweet_id, user_id)
    group by tweet_id
) as change
where tweet.id = change.tweet_id and change.step <> 0
"""


async def _set_names(session: AnySession, events: Sequence[tuple[UserRegistered, int]]) -> None:
    columns = zip(*((event.user_id, event.name, version) for event, version in events), strict=True)
    await fetch(session, _SET_NAMES, *columns)


async def _set_follows(
    session: AnySession, events: Sequence[tuple[UserFollowed | UserUnfollowed, int]]
) -> None:
    rows = (
        (event.follower_id, event.followed_id, isinstance(event, UserFollowed), version)
        for event, version in events
    )
    await fetch(session, _SET_FOLLOWS, *zip(*rows, strict=True))


async def _insert_tweets(session: AnySession, events: Sequence[tuple[TweetPosted, int]]) -> None:
    await insert_tweets(session, [event for event, _ in events])


async def _set_likes(
    session: AnySession, events: Sequence[tuple[TweetLiked | TweetUnliked, int]]
) -> None:
    rows = [
        (event.tweet_id, event.user_id, isinstance(event, TweetLiked), version)
        for event, version in events
    ]
    await fetch(session, _INSERT_PLACEHOLDERS, [row[0] for row in rows])
    await fetch(session, _SET_LIKES, *zip(*rows, strict=True))


bulk_handlers: Mapping[type[Event], BulkHandler] = {
    UserRegistered: _set_names,
    UserFollowed: _set_follows,
    UserUnfollowed: _set_follows,
    TweetPosted: _insert_tweets,
    TweetLiked: _set_likes,
    TweetUnliked: _set_likes,
}
