"""The statements that read notifications, for one reader.

The tables contain everything that happened. What a person wants to see is decided here, at each
read: the delivery of each kind, "only from people I follow", and muted threads. So a changed
setting takes effect at once, also for old notifications.

One index scan walks the groups of the reader, newest first, and another one the rows of a group. A
row is *visible* if the reader's settings let it pass, and a group is listed if it has a visible
row. The place of a group is that of its newest row, visible or not. What the group says, such as
the people and their number, comes from the visible rows.

PostgreSQL writes the JSON of the list. The statements share parts, which `_expand` inserts.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import date
from typing import NamedTuple

import asyncpg

from chassis.database.pool import Pool
from chassis.http import paging

from .errors import TweetNotFound
from .kinds import DEFAULT_DELIVERY, Kind

MAX_UNREAD = 100
"""The unread count ends here: pages show "99+"."""
MAX_PEOPLE = 3
"""How many people a group names."""
MAX_SCANNED = 1_000
"""How many groups one page looks through. If the settings hide most of them, or only a rare kind is
wanted, the page is shorter than its limit, and its cursor leads further."""

Fetch = Callable[..., Awaitable[list[asyncpg.Record]]]
"""Runs a statement: `Pool.fetch`, or `session.fetch` of a transaction."""


class Unread(NamedTuple):
    groups: int
    """How many groups are unread: MAX_UNREAD if there are more."""
    seen: int
    """The person's marker: notifications up to this `seq` have been seen."""


_DEFAULTS = ", ".join(
    f"({place}, '{kind}', '{delivery}')"
    for place, (kind, delivery) in enumerate(DEFAULT_DELIVERY.items())
)

# The parts use the aliases `reader`, `setting` and `marker` (two of the parts), and `grouped`: a
# group.
_PARTS = {
    # The kinds that the reader lists, counts, and limits to people whom they follow.
    "settings": """
        select
            coalesce(array_agg(kind) filter (where delivery <> 'off'), '{}') as listed,
            coalesce(array_agg(kind) filter (where delivery = 'badge'), '{}') as loud,
            coalesce(array_agg(kind) filter (where source = 'following'), '{}') as limited
        from (
            select
                usual.kind,
                coalesce(preference.delivery, usual.delivery) as delivery,
                coalesce(preference.source, 'everyone') as source
            from (values {defaults}) as usual (place, kind, delivery)
            left join preference
                on preference.user_id = reader.id and preference.kind = usual.kind
        ) as one
    """,
    "defaults": _DEFAULTS,
    "marker": "select coalesce((select seq from seen where user_id = reader.id), 0) as seq",
    "visible_rows": """
        notification
        where notification.recipient_id = reader.id
            and notification.kind = grouped.kind
            and notification.group_subject_id = grouped.subject_id
            and notification.day = grouped.day
            and notification.shown
            and (grouped.kind <> all (setting.limited) or notification.actor_id in (
                select followed_id from follow where follower_id = {reader} and follow.active
            ))
            and not exists (
                select from thread_preference as muted
                where muted.user_id = reader.id and muted.root_id = notification.root_id
                    and muted.state = 'muted'
                    and (grouped.kind <> 'mention' or muted.mute_mentions)
            )
    """,
}


_NAME = re.compile(r"\{(\w+)\}")


def _expand(statement: str, **parts: str) -> str:
    """Replaces each `{name}` by the part of this name, which may contain names too."""
    known = _PARTS | parts

    def part(match: re.Match[str]) -> str:
        return _NAME.sub(part, known[match[1]])

    return _NAME.sub(part, statement)


_UNREAD = """
select reader.id, marker.seq as seen, unread.count
from {readers} as reader (id)
cross join lateral ({settings}) as setting
cross join lateral ({marker}) as marker
cross join lateral (
    select count(*) as count from (
        select from notification_group as grouped
        -- Not `exists`, which PostgreSQL may plan as a join with all rows of the reader.
        cross join lateral (
            select from {visible_rows}
                and notification.seq > greatest(marker.seq, grouped.read_seq)
            limit 1
        ) as unread
        where grouped.recipient_id = reader.id
            and grouped.newest_seq > marker.seq and grouped.newest_seq > grouped.read_seq
            and grouped.kind = any (setting.loud)
        order by grouped.newest_seq desc limit {max_unread}
    ) as first
) as unread
"""
_UNREAD_OF = _expand(
    _UNREAD, readers="unnest($1::bigint[])", reader="reader.id", max_unread=str(MAX_UNREAD)
)

# $1 the reader, $2 the `newest_seq` behind which the page begins, $3 the limit, $4 the only kind to
# list, or null.
#
# In a group of likes or of follows, each person has one row, and either all rows are muted or none.
# So the group knows how many people there are, and three rows are read, be they 10,000. Where one
# person may have several rows, or a row may be hidden by the settings, all rows are counted.
_PAGE = _expand(
    """
with unread as ({unread}), chosen as materialized (
    select marker.seq as seen, setting.loud, setting.limited, reader.id as reader_id, grouped.*
    from (select $1::bigint as id) as reader
    cross join lateral ({settings}) as setting
    cross join lateral ({marker}) as marker
    cross join lateral (
        select
            grouped.kind, grouped.subject_id, grouped.day, grouped.size, grouped.newest_seq,
            grouped.read_seq, newest.seq, newest.tweet_id, newest.root_id, newest.occurred_at
        from (
            select * from notification_group
            where recipient_id = reader.id and newest_seq < $2
            order by newest_seq desc limit {max_scanned}
        ) as grouped
        cross join lateral (
            select seq, notification.subject_id as tweet_id, root_id, occurred_at
            from {visible_rows}
            order by seq desc limit 1
        ) as newest
        where grouped.kind = any (setting.listed) and ($4::text is null or grouped.kind = $4)
        order by grouped.newest_seq desc limit $3
    ) as grouped
)
select
    (select seen from unread) as seen,
    (select count from unread) as unread,
    convert_to(coalesce(string_agg(json, ',' order by newest_seq desc), ''), 'UTF8') as body,
    coalesce((array_agg(newest_seq order by newest_seq desc))[$3], (
        select newest_seq from notification_group
        where recipient_id = $1 and newest_seq < $2
        order by newest_seq desc offset {max_scanned} - 1 limit 1
    )) as last
from (
    select
        grouped.newest_seq,
        json_build_object(
            'id', grouped.kind || ':' || grouped.subject_id || ':'
                || to_char(grouped.day, 'YYYY-MM-DD'),
            'kind', grouped.kind,
            'seq', grouped.seq,
            'created_at', to_char(
                grouped.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
            ),
            'unread', grouped.kind = any (setting.loud)
                and grouped.seq > greatest(grouped.seen, grouped.read_seq),
            'read', grouped.seq <= grouped.read_seq,
            'people', coalesce(named.json, '[]'),
            'people_count', case
                when grouped.kind in ('security', 'moderation') then 0
                when counted.by_size then grouped.size else people.count
            end,
            'tweet_id', case
                when about.tweets then grouped.tweet_id
                when grouped.kind = 'moderation' and grouped.subject_id > 0
                    then grouped.subject_id
            end,
            'tweet_count', case
                when grouped.kind = 'like' then 1
                when about.tweets then people.rows
                when grouped.kind = 'moderation' then (grouped.subject_id > 0)::int
                else 0
            end,
            'thread_id', case
                when grouped.kind = 'announcement' then grouped.tweet_id
                when about.tweets then grouped.root_id
            end,
            'credential', case
                when grouped.kind = 'security' then
                    case when grouped.subject_id < 0 then 'session' else 'key' end
            end,
            'moderation', case when grouped.kind = 'moderation' then (
                select json_build_object(
                    'act', case family when 'report' then 'report_closed' else family end,
                    'reason', case when family = 'hidden' then (
                        select hidden_reason from tweet where tweet.id = grouped.subject_id
                    ) end
                )
                from {visible_rows} order by notification.version desc limit 1
            ) end
        )::text as json
    from chosen as grouped
    cross join lateral (select grouped.reader_id as id) as reader
    cross join lateral (select grouped.loud, grouped.limited) as setting
    cross join lateral (
        select grouped.kind in (
            'mention', 'reply', 'thread', 'watch', 'like', 'announcement'
        ) as tweets
    ) as about
    cross join lateral (
        select grouped.kind in ('like', 'follow') and grouped.kind <> all (setting.limited)
            as by_size
    ) as counted
    cross join lateral (
        select
            count(*) as count,
            sum(rows) as rows,
            (array_agg(actor_id order by seq desc))[:{max_people}] as newest
        from (
            select actor_id, max(seq) as seq, count(*) as rows
            from (
                select actor_id, seq from {visible_rows}
                order by seq desc limit case when counted.by_size then {max_people} end
            ) as visible
            group by actor_id
        ) as actor
    ) as people
    cross join lateral (
        select json_agg(
            json_strip_nulls(json_build_object(
                'id', actor.id,
                'name', coalesce(person.name, ''),
                'picture', person.picture::json
            )) order by actor.place
        ) as json
        from unnest(people.newest) with ordinality as actor (id, place)
        left join person on person.id = actor.id
        where actor.id > 0
    ) as named
) as listed
""",
    unread=_UNREAD,
    readers="(values ($1::bigint))",
    # Not `reader.id`: so PostgreSQL reads the followed people once, and not for each row.
    reader="$1",
    max_unread=str(MAX_UNREAD),
    max_people=str(MAX_PEOPLE),
    max_scanned=str(MAX_SCANNED),
)

_SETTINGS_JSON = """
json_build_object(
    'kinds', (
        select json_object_agg(usual.kind, json_build_object(
            'delivery', coalesce(preference.delivery, usual.delivery),
            'from', coalesce(preference.source, 'everyone')
        ) order by usual.place)
        from (values {defaults}) as usual (place, kind, delivery)
        left join preference on preference.user_id = $1 and preference.kind = usual.kind
    ),
    'threads', (
        select coalesce(json_agg(json_build_object(
            'thread_id', root_id,
            'state', state,
            'mentions', mute_mentions,
            'since', to_char(since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ) order by since desc, root_id desc), '[]')
        from thread_preference where user_id = $1
    ),
    'watched', (
        select coalesce(json_agg(
            json_build_object('id', person.id, 'name', person.name) order by since desc, id desc
        ), '[]')
        from watch join person on person.id = watched_id and not hidden
        where user_id = $1
    )
)::text
"""
_SETTINGS = _expand("select {json} as json", json=_SETTINGS_JSON)
EXPORT = _expand(
    "select 1 as key, {json} as line where $2::bigint < 1 and $3::int > 0",
    json=_SETTINGS_JSON,
)
"""The settings as the only row of an exported list: see `chassis.privacy.export`."""

# A tweet whose author is erased has no author, and neither has a placeholder, whose event has not
# arrived.
_THREAD = """
select
    coalesce(tweet.root_id, tweet.id) as thread_id, tweet.author_id is not null or deleted as known,
    preference.state, preference.mute_mentions
from tweet
left join thread_preference as preference
    on preference.user_id = $1 and preference.root_id = coalesce(tweet.root_id, tweet.id)
where tweet.id = $2
"""
_IS_WATCHED = "select from watch where user_id = $1 and watched_id = $2"


class ThreadState(NamedTuple):
    """What a person has decided about a thread."""

    thread_id: int
    """The tweet with which the thread begins."""
    state: str
    """`none`, `followed` or `muted`."""
    mentions_muted: bool


async def page(
    connections: Pool, reader_id: int, cursor: str | None, limit: int, kind: Kind | None = None
) -> bytes:
    """A page of the groups, newest first, as the body of the response.

    Raises InvalidRequest for an invalid cursor.
    """
    (behind,) = paging.decode(cursor, 1) if cursor is not None else (paging.MAX_ID,)
    (row,) = await connections.fetch(_PAGE, reader_id, behind, limit, kind)
    last = b"null" if row["last"] is None else f'"{paging.encode(row["last"])}"'.encode()
    return b'{"result":true,"notifications":[%b],"next_cursor":%b,"unread":%d,"seen":%d}' % (
        row["body"],
        last,
        row["unread"],
        row["seen"],
    )


async def unread(fetch: Fetch, user_ids: Sequence[int]) -> dict[int, Unread]:
    """The unread counts of these people."""
    rows = await fetch(_UNREAD_OF, user_ids)
    return {row["id"]: Unread(row["count"], row["seen"]) for row in rows}


async def settings(fetch: Fetch, user_id: int) -> bytes:
    """A person's settings, followed and muted threads and watched people, as JSON."""
    (row,) = await fetch(_SETTINGS, user_id)
    json: str = row["json"]
    return json.encode()


async def thread_state(fetch: Fetch, user_id: int, tweet_id: int) -> ThreadState:
    """What the person has decided about the thread of a tweet. Raises TweetNotFound."""
    rows = await fetch(_THREAD, user_id, tweet_id)
    if not rows or not rows[0]["known"]:
        raise TweetNotFound
    (row,) = rows
    return ThreadState(row["thread_id"], row["state"] or "none", bool(row["mute_mentions"]))


async def is_watched(fetch: Fetch, user_id: int, watched_id: int) -> bool:
    return bool(await fetch(_IS_WATCHED, user_id, watched_id))


GroupKey = tuple[int, str, int, date]
"""A recipient and a group: its kind, subject and day."""

# $1 the recipients, $2 the kinds, $3 the subjects, $4 the days.
_VISIBLE_GROUPS = _expand(
    """
select reader.id, grouped.kind, grouped.subject_id, grouped.day, newest.seq
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::date[])
    as wanted (reader_id, kind, subject_id, day)
cross join lateral (select wanted.reader_id as id) as reader
cross join lateral (select wanted.kind, wanted.subject_id, wanted.day) as grouped
cross join lateral ({settings}) as setting
cross join lateral (
    -- Not `max`: PostgreSQL would read all rows of the group for it.
    select notification.seq from {visible_rows} order by notification.seq desc limit 1
) as newest
where grouped.kind = any (setting.listed)
""",
    reader="reader.id",
)


async def visible_groups(fetch: Fetch, groups: Collection[GroupKey]) -> dict[GroupKey, int]:
    """The newest `seq` of each group, without those that the recipient's settings hide."""
    rows = await fetch(_VISIBLE_GROUPS, *zip(*groups, strict=True))
    return {(row["id"], row["kind"], row["subject_id"], row["day"]): row["seq"] for row in rows}
