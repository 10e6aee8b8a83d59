"""Creates the tables of tweets, likes, and the copies of media's records."""

from chassis.database.migrations import run_script
from chassis.messaging import inbox, outbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_script(outbox.CREATE)
    run_script(inbox.CREATE)
    run_script("""
        create table tweet (
            id bigint generated always as identity primary key,
            author_id bigint not null,
            content text not null,
            created_at timestamptz not null,
            deleted_at timestamptz
        );

        create table tweet_like (
            tweet_id bigint not null references tweet,
            user_id bigint not null,
            active boolean not null,
            version bigint not null,
            primary key (tweet_id, user_id)
        );

        create table media (
            id bigint primary key,
            owner_id bigint not null,
            path text not null,
            tweet_id bigint,
            closed boolean not null default false
        );
        create index media_of_tweet on media (tweet_id) where tweet_id is not null;
    """)
