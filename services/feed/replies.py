"""Keeps the counts and the lists of replies, from which threads are read.

The table `reply` lists, for each tweet, the replies below it: not only the direct ones, but as deep
as `ancestors` reaches, and for the root of a thread all of them. So a page of a thread is a range
of an index, and no statement walks from reply to reply. `aside` is false for the author's own
continuation of the tweet, which comes first.

A deleted reply stays listed as long as replies are listed below it: it holds their place, without
author or text. When its last listed reply goes, it goes too, and so may the deleted tweet above it.
`add` and `remove` keep this rule in whatever order the events arrive, also for replies to a tweet
whose own event has not arrived: its row is a placeholder then. A hidden reply is listed and counted
like any other: it holds its place too, and comes back when it is restored.

Rows are locked from a reply upwards: first the reply, then its parent.
"""

from collections.abc import Sequence

from chassis.database.session import AnySession, fetch

_UNCOUNT = """
update tweet set reply_count = tweet.reply_count - gone.replies
from (
    select parent_id, count(*) as replies from tweet
    where id = any($1::bigint[]) and author_id is not null and not deleted
        and parent_id is not null
    group by parent_id
) as gone
where tweet.id = gone.parent_id
"""
# Lists the live ones of these replies, and the deleted ones that have listed replies.
_LIST = """
insert into reply (ancestor_id, aside, tweet_id)
select above.id, tweet.self_replies < above.level, tweet.id
from tweet
cross join lateral (
    select id, level from unnest(tweet.ancestors) with ordinality as nearest (id, level)
    union all
    select tweet.root_id, tweet.depth where tweet.depth > cardinality(tweet.ancestors)
) as above
where tweet.id = any($1::bigint[]) and tweet.parent_id is not null
    and (
        (tweet.author_id is not null and not tweet.deleted)
        or exists (select from reply where reply.ancestor_id = tweet.id)
    )
on conflict do nothing
returning tweet_id
"""
# A parent whose own event has not arrived gets a placeholder.
_COUNT_AND_LIST = f"""
with counted as (
    insert into tweet (id, reply_count)
    select parent_id, count(*) from tweet
    where id = any($1::bigint[]) and parent_id is not null
    group by parent_id
    on conflict (id) do update set reply_count = tweet.reply_count + excluded.reply_count
    returning deleted
), listed as ({_LIST})
select from counted where deleted limit 1
"""  # noqa: S608  only constants are inserted
_UNLISTED_PARENTS = """
select distinct parent.id
from tweet join tweet as parent on parent.id = tweet.parent_id
where tweet.id = any($1::bigint[]) and parent.deleted and parent.parent_id is not null
    and not exists (
        select from reply
        where ancestor_id = parent.parent_id and aside in (false, true) and tweet_id = parent.id
    )
"""
_LOCK = "select from tweet where id = any($1::bigint[]) order by id for update"
# Takes the deleted ones of these replies off all lists, unless replies are listed below them.
_UNLIST = """
with gone as (
    select id, parent_id, ancestors, root_id from tweet
    where id = any($1::bigint[]) and deleted and parent_id is not null
        and not exists (select from reply where reply.ancestor_id = tweet.id)
), unlisted as (
    delete from reply using gone
    where reply.ancestor_id = any(gone.ancestors || gone.root_id)
        and reply.aside in (false, true) and reply.tweet_id = gone.id
)
select distinct parent_id from gone
"""


async def add(session: AnySession, tweet_ids: Sequence[int]) -> None:
    """Counts and lists new replies."""
    if await fetch(session, _COUNT_AND_LIST, tweet_ids):
        await _list_parents(session, tweet_ids)


async def uncount(session: AnySession, tweet_ids: Sequence[int]) -> None:
    """Takes tweets that are about to be deleted out of the counts."""
    await fetch(session, _UNCOUNT, tweet_ids)


async def remove(session: AnySession, tweet_ids: Sequence[int]) -> None:
    """Takes deleted replies off the lists, or lists them if there are replies below them."""
    await _list(session, tweet_ids)
    while tweet_ids:
        # Of two transactions that delete the last two replies to a deleted tweet, the second one
        # waits here, and then sees that both are gone.
        await fetch(session, _LOCK, tweet_ids)
        tweet_ids = [row["parent_id"] for row in await fetch(session, _UNLIST, tweet_ids)]


async def _list(session: AnySession, tweet_ids: Sequence[int]) -> None:
    listed = await fetch(session, _LIST, tweet_ids)
    await _list_parents(session, list({row["tweet_id"] for row in listed}))


async def _list_parents(session: AnySession, tweet_ids: Sequence[int]) -> None:
    """Lists the deleted tweets above these listed replies."""
    while tweet_ids:
        parents = await fetch(session, _UNLISTED_PARENTS, tweet_ids)
        listed = await fetch(session, _LIST, [row["id"] for row in parents]) if parents else ()
        tweet_ids = list({row["tweet_id"] for row in listed})
