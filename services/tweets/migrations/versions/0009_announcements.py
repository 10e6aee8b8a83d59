"""Adds announcements with their acknowledgements, and pinned tweets."""

from chassis.database.migrations import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_script("""
        create table announcement (
            tweet_id bigint primary key,
            author_id bigint not null,
            created_at timestamptz not null,
            until timestamptz not null,
            acknowledge boolean not null,
            ended_at timestamptz,
            reminded_at timestamptz
        );
        create index announcement_in_force on announcement (until) where ended_at is null;
        create index announcement_by_author on announcement (author_id);

        create table acknowledgement (
            tweet_id bigint,
            user_id bigint,
            acknowledged_at timestamptz not null,
            primary key (tweet_id, user_id)
        );
        create index acknowledgement_by_person on acknowledgement (user_id, tweet_id);

        create table pin (
            user_id bigint,
            tweet_id bigint,
            pinned_at timestamptz not null,
            primary key (user_id, tweet_id)
        );
    """)
