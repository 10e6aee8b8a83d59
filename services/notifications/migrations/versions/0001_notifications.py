"""All tables, and the triggers that keep the groups of notifications and wake the streams."""

from chassis.database.migrations import run_script
from chassis.messaging import inbox
from chassis.privacy import erasure

revision = "0001"
down_revision = None

# A trigger for each operation, because the rows before and after the change exist for some
# operations only. The second statement sees what the first one has changed.
_GROUPS_TRIGGER = """
create function update_groups_after_{operation}() returns trigger language plpgsql as
$$ begin
    if not exists ({changed_rows}) then return null; end if;
    insert into notification_group (recipient_id, kind, subject_id, day, size, newest_seq, read_seq)
    select recipient_id, kind, group_subject_id, day, sum(step), coalesce((
        select max(seq) from notification
        where notification.recipient_id = changed.recipient_id
            and notification.kind = changed.kind
            and notification.group_subject_id = changed.group_subject_id
            and notification.day = changed.day
            and notification.shown
    ), 0), max(read_seq)
    from ({changed_rows}) as changed
    group by recipient_id, kind, group_subject_id, day
    on conflict (recipient_id, kind, subject_id, day) do update set
        size = notification_group.size + excluded.size, newest_seq = excluded.newest_seq,
        read_seq = greatest(notification_group.read_seq, excluded.read_seq);
    delete from notification_group using ({changed_rows}) as changed
    where notification_group.recipient_id = changed.recipient_id
        and notification_group.kind = changed.kind
        and notification_group.subject_id = changed.group_subject_id
        and notification_group.day = changed.day
        and notification_group.size = 0;
    return null;
end $$;
create trigger notification_{operation}_updates_groups after {operation} on notification
    referencing {tables} for each statement execute function update_groups_after_{operation}();
"""
# What is a week old when it arrives is read from the beginning.
_ADDED = """
select recipient_id, kind, group_subject_id, day, 1 as step,
    case when occurred_at < now() - interval '7 days' then seq else 0 end as read_seq
from added where shown
"""
_REMOVED = """
select recipient_id, kind, group_subject_id, day, -1 as step, 0 as read_seq
from removed where shown
"""


def upgrade() -> None:
    run_script(inbox.CREATE)
    run_script(erasure.CREATE)
    run_script("""
        create table person (
            id bigint primary key,
            name text not null,
            version bigint not null,
            hidden boolean not null default false
        );
        create table person_to_hide (user_id bigint primary key);

        create table follow (
            follower_id bigint,
            followed_id bigint,
            active boolean not null,
            version bigint not null,
            primary key (follower_id, followed_id)
        );
        create index follow_followed on follow (followed_id, follower_id) include (active);

        create table tag_follow (
            user_id bigint,
            tag text,
            active boolean not null,
            version bigint not null,
            primary key (user_id, tag)
        );
        create index tag_followers on tag_follow (tag, user_id) where active;

        create table tweet (
            id bigint primary key,
            author_id bigint,
            parent_id bigint,
            root_id bigint,
            like_count integer not null default 0,
            reply_count integer not null default 0,
            deleted boolean not null default false
        );
        create index tweet_by_author on tweet (author_id);
        create table tweet_to_clear (tweet_id bigint primary key);

        create table notification (
            family text,
            subject_id bigint,
            recipient_id bigint,
            actor_id bigint,
            kind text not null,
            group_subject_id bigint not null,
            root_id bigint,
            active boolean not null,
            shown boolean not null,
            version bigint not null,
            occurred_at timestamptz not null,
            day date generated always as ((occurred_at at time zone 'UTC')::date) stored,
            seq bigint not null default 0,
            primary key (family, subject_id, recipient_id, actor_id)
        );
        create index notification_in_group
            on notification (recipient_id, kind, group_subject_id, day, seq);
        create index notification_by_actor on notification (actor_id, shown);

        create table notification_group (
            recipient_id bigint,
            kind text,
            subject_id bigint,
            day date,
            size bigint not null,
            newest_seq bigint not null,
            read_seq bigint not null default 0,
            primary key (recipient_id, kind, subject_id, day)
        );
        create index notification_group_newest
            on notification_group (recipient_id, newest_seq desc);

        create table seen (user_id bigint primary key, seq bigint not null);
        create table preference (
            user_id bigint,
            kind text,
            delivery text not null,
            source text not null,
            primary key (user_id, kind)
        );
        create table thread_preference (
            user_id bigint,
            root_id bigint,
            state text not null,
            mute_mentions boolean not null default false,
            since timestamptz not null default now(),
            primary key (user_id, root_id)
        );
        create index thread_followers on thread_preference (root_id, user_id)
            where state = 'followed';
        create table watch (
            user_id bigint,
            watched_id bigint,
            since timestamptz not null default now(),
            primary key (user_id, watched_id)
        );
        create index watchers on watch (watched_id);

        create table position (
            single boolean primary key default true,
            position bigint not null default 0,
            constraint position_is_single check (single)
        );
        insert into position default values;
        create table notice (
            position bigint primary key,
            kind text not null,
            tweet_id bigint,
            author_id bigint,
            root_id bigint,
            parent_id bigint,
            tags text[],
            event text,
            recipient_id bigint,
            group_kind text,
            group_subject_id bigint,
            group_day date,
            created_at timestamptz not null default now()
        );
        create index notice_by_author on notice (author_id) where author_id is not null;
        create index notice_by_recipient on notice (recipient_id) where recipient_id is not null;
        create index notice_by_watched on notice (group_subject_id) where group_kind = 'watch';

        create function wake_streams() returns trigger language plpgsql as
        $$ begin
            if exists (select from added) then
                perform pg_notify(tg_table_schema || '_notices', '');
            end if;
            return null;
        end $$;
        create trigger notice_wakes_streams after insert on notice
            referencing new table as added for each statement execute function wake_streams();
    """)
    for operation, tables, changed_rows in (
        ("insert", "new table as added", _ADDED),
        ("delete", "old table as removed", _REMOVED),
        (
            "update",
            "old table as removed new table as added",
            f"{_ADDED} union all {_REMOVED}",
        ),
    ):
        run_script(
            _GROUPS_TRIGGER.format(operation=operation, tables=tables, changed_rows=changed_rows)
        )
