"""Parts that several statements share.

PostgreSQL expects a hundred rows of every JSON array, and would read small tables whole to join
them. Mostly there is one row. So the statements look other tables up row by row: in scalar
subqueries, or in lateral ones with `offset 0`, which PostgreSQL does not turn into joins.
"""

RECENT = "occurred_at > now() - interval '7 days'"
"""Older events change the tables, but no stream is notified of them: they come from a backfill."""

NOTIFY_RECIPIENTS = """
recipient as (
    select distinct recipient_id from gone where shown
), given as (
    update position set position = position + (select count(*) from recipient)
    where exists (select from recipient) returning old.position as last
), appended as (
    insert into notice (position, kind, recipient_id)
    select last + row_number() over (), 'seen', recipient_id from recipient cross join given
)
"""
"""Queries that tell the recipients of the notifications in `gone` that these are shown no more."""

_STORING = """
with last as (
    select position from position
), {ctes}, candidate as (
    select incoming.*,
        incoming.active and recipient_id not in (0, actor_id)
            and not coalesce((select hidden from person where id = actor_id), false) as shown
    from incoming
), stored as (
    insert into notification (
        family, subject_id, recipient_id, actor_id, kind, group_subject_id, root_id,
        active, shown, version, occurred_at, seq
    )
    select
        family, subject_id, recipient_id, actor_id, kind, group_subject_id, root_id,
        active, shown, version, occurred_at,
        case when shown then last.position + count(*) filter (where shown) over (
            order by version, subject_id, recipient_id, actor_id rows unbounded preceding
        ) else 0 end
    from candidate cross join last
    on conflict (family, subject_id, recipient_id, actor_id) do update set
        kind = excluded.kind, group_subject_id = excluded.group_subject_id,
        root_id = excluded.root_id, active = excluded.active, shown = excluded.shown,
        version = excluded.version, occurred_at = excluded.occurred_at,
        seq = case
            when notification.seq > 0
                and (notification.family <> 'announcement' or not excluded.shown)
            then notification.seq else excluded.seq
        end
    where notification.version < excluded.version
        or (
            notification.version = excluded.version
            and excluded.kind = 'reply' and notification.kind in ('thread', 'watch')
        )
    returning
        new.*, coalesce(old.active, false) as was_active, coalesce(old.shown, false) as was_shown,
        old.kind as old_kind, coalesce(old.seq, 0) as old_seq
), announced as (
    insert into notice (position, kind, recipient_id, group_kind, group_subject_id, group_day)
    select seq, 'notification', recipient_id, kind, group_subject_id, day
    from stored where shown and seq <> old_seq and {recent}
), other_notice as (
    select distinct on (recipient_id)
        'seen' as kind, null::bigint as tweet_id, null::bigint as author_id,
        null::bigint as root_id, null::bigint as parent_id, null::text[] as tags,
        null::text as event, recipient_id
    from stored where was_shown and (not shown or kind <> old_kind)
    {notices}
), appended as (
    insert into notice (
        position, kind, tweet_id, author_id, root_id, parent_id, tags, event, recipient_id
    )
    select
        last.position + (select count(*) from candidate where shown) + row_number() over (),
        kind, tweet_id, author_id, root_id, parent_id, tags, event, recipient_id
    from other_notice cross join last
), counted as (
    select (select count(*) from candidate where shown) + (select count(*) from other_notice)
        as positions
), advanced as (
    update position set position = position.position + counted.positions
    from counted where counted.positions > 0
)
{result}
"""


def storing(ctes: str, *, notices: str = "", result: str = "select from counted") -> str:
    """A statement that stores notifications, gives them their `seq`, and appends notices.

    `ctes` ends with the query `incoming`, whose columns are `family`, `kind`, `subject_id`,
    `recipient_id`, `actor_id`, `group_subject_id`, `root_id`, `active`, `version`, `occurred_at`.
    Each row replaces an older version of itself; a reply also replaces the notification of a thread
    or of a watched author about the same tweet, which was stored before its recipient was known.
    A row that replaces another one keeps its `seq`, and nobody is notified again, except of an
    announcement.
    `notices` adds queries of further notices, with the columns of the first one. `result` may be
    preceded by further queries that read `stored`, in which `was_active` is the value before.

    The caller holds the lock of `positions`.
    """
    return _STORING.format(
        ctes=ctes.strip(), notices=notices.strip(), result=result.strip(), recent=RECENT
    )
