"""The tables of the projection, and a notification for each event that was applied."""

from chassis.database.migrations import run_script
from chassis.messaging import inbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_script(inbox.CREATE)
    run_script("""
        create function notify_readers() returns trigger language plpgsql as
        $$ begin
            perform pg_notify(tg_table_schema || '_inbox', new.source || ':' || new.id);
            return null;
        end $$;
        create trigger inbox_notifies_readers after insert on inbox
            for each row execute function notify_readers();

        create table person (
            id bigint primary key,
            name text not null,
            version bigint not null
        );

        create table follow (
            follower_id bigint,
            followed_id bigint,
            active boolean not null,
            version bigint not null,
            primary key (follower_id, followed_id)
        );
        create index follow_active on follow (follower_id, followed_id) where active;

        create table tweet (
            id bigint primary key,
            author_id bigint,
            card text,
            like_count integer not null default 0,
            deleted boolean not null default false,
            visible boolean generated always as (author_id is not null and not deleted) stored
        );
        create index tweet_popular on tweet (like_count desc, id desc) where visible;
        create index tweet_recent on tweet (id desc) where visible;
        create index tweet_popular_by_author on tweet (author_id, like_count desc, id desc)
            where visible;
        create index tweet_recent_by_author on tweet (author_id, id desc) where visible;

        create table tweet_like (
            tweet_id bigint,
            user_id bigint,
            active boolean not null,
            version bigint not null,
            primary key (tweet_id, user_id)
        );
        create index like_earliest on tweet_like (tweet_id, version, user_id) where active;
    """)
