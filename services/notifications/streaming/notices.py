"""Reads notices from the log, and encodes them as events of a stream.

A notice says what changed and not what it is now. The numbers in an event are those of the moment
at which the notice is read, so they may be newer than the notice; a later notice then repeats them.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from starlette.types import Message

from chassis.http import event_stream

from .. import queries
from ..queries import Fetch
from .connections import Audience, Connection

# $1 the position after which to read, $2 the limit, $3 the people who have streams. The `+ 0` makes
# PostgreSQL compare an author's followers with a hash table of these people. Otherwise it searches
# the index once for each of them.
_READ = """
select
    position, kind, tweet_id, author_id, root_id, parent_id, event, recipient_id,
    group_kind, group_subject_id, group_day,
    extract(epoch from clock_timestamp() - created_at)::float8 as age,
    case when kind in ('tweet', 'deleted') then array(
        select follower_id from follow
        where followed_id = notice.author_id and active and follower_id + 0 = any ($3)
        union
        select user_id from tag_follow
        where tag = any (notice.tags) and active and user_id + 0 = any ($3)
    ) end as followers
from notice where position > $1 order by position limit $2
"""
COMMENT = event_stream.chunk(b":\n\n")
"""A sign of life that changes nothing."""

_COUNTS = "select id, like_count, reply_count from tweet where id = any ($1)"

_LIMITS = "select position, (select min(position) from notice) as first from position"


@dataclass(slots=True)
class Notice:
    """A notice as it is sent."""

    position: int
    kind: str
    age: float
    """Seconds since the notice was written."""
    message: Message | None
    """None if nobody gets it."""
    people: Collection[int]
    """Those who get it, whatever they look at."""
    tweet_id: int | None = None
    root_id: int | None = None

    def receivers(self, audience: Audience) -> Collection[Connection]:
        if self.message is None:
            return ()
        if self.kind == "counts":
            assert self.tweet_id is not None
            return audience.interested_in(self.tweet_id)
        if self.tweet_id is not None:
            return audience.receivers(self.people, self.tweet_id, self.root_id)
        return audience.of_people(self.people)


def event(position: int, name: str, data: Mapping[str, Any]) -> Message:
    content = json.dumps(data, separators=(",", ":"))
    return event_stream.chunk(f"id: {position}\nevent: {name}\ndata: {content}\n\n".encode())


def heartbeat(position: int) -> Message:
    """Moves the position from which the client resumes; its page does not notice."""
    return event_stream.chunk(b":\nid: %d\n\n" % position)


async def log_range(fetch: Fetch) -> tuple[int, int]:
    """The first position that the log still has, and the last one."""
    (row,) = await fetch(_LIMITS)
    last: int = row["position"]
    return row["first"] or last + 1, last


async def counts(fetch: Fetch, tweets: Sequence[int]) -> dict[int, dict[str, int]]:
    """The data of the event `counts` of each tweet."""
    if not tweets:
        return {}
    return {
        row["id"]: {"tweet": row["id"], "likes": row["like_count"], "replies": row["reply_count"]}
        for row in await fetch(_COUNTS, tweets)
    }


async def read(fetch: Fetch, after: int, limit: int, audience: Audience) -> list[Notice]:
    """The next notices, also those that nobody in the audience gets."""
    rows = await fetch(_READ, after, limit, list(audience.people))
    changed = {row["tweet_id"] for row in rows if row["kind"] == "counts"}
    numbers = await counts(fetch, audience.tweets_of_interest(changed))
    recipients = {row["recipient_id"] for row in rows} & audience.people.keys()
    unread = await queries.unread(fetch, list(recipients)) if recipients else {}
    groups = {
        _group(row)
        for row in rows
        if row["kind"] == "notification" and row["recipient_id"] in recipients
    }
    visible = await queries.visible_groups(fetch, groups) if groups else {}

    def notice(row: asyncpg.Record) -> Notice:
        position, kind, tweet_id = row["position"], row["kind"], row["tweet_id"]
        message: Message | None = None
        if kind in ("tweet", "deleted"):
            data = {"tweet": tweet_id, "author": row["author_id"], "root": row["root_id"]}
            if kind == "tweet":
                data["parent"] = row["parent_id"]
            message = event(position, kind, {**data, "event": row["event"]})
            people = [*row["followers"], row["author_id"]]
            return Notice(position, kind, row["age"], message, people, tweet_id, row["root_id"])
        if kind == "counts":
            if tweet_id in numbers:
                message = event(position, kind, numbers[tweet_id])
            return Notice(position, kind, row["age"], message, (), tweet_id)
        recipient = row["recipient_id"]
        state = unread.get(recipient)
        if state is not None and kind == "seen":
            kind = "unread"
            message = event(position, kind, {"count": state.groups, "seen": state.seen})
        elif state is not None and (seq := visible.get(_group(row))) is not None:
            group = f"{row['group_kind']}:{row['group_subject_id']}:{row['group_day']}"
            data = {"group": group, "kind": row["group_kind"], "seq": seq, "unread": state.groups}
            message = event(position, kind, data)
        return Notice(position, kind, row["age"], message, (recipient,))

    return [notice(row) for row in rows]


def _group(row: asyncpg.Record) -> queries.GroupKey:
    return row["recipient_id"], row["group_kind"], row["group_subject_id"], row["group_day"]
