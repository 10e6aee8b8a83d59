"""Adds reports, and what moderators hide."""

from chassis.database.migrations import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_script("""
        alter table tweet
            add column hidden_at timestamptz,
            add column hidden_reason text,
            add column hidden_note text,
            add column hidden_version bigint;

        create table report (
            id bigint generated always as identity primary key,
            reporter_id bigint not null,
            tweet_id bigint,
            user_id bigint not null,
            reason text not null,
            note text not null,
            created_at timestamptz not null,
            closed_at timestamptz,
            closure_note text
        );
        create unique index report_open_once
            on report (reporter_id, user_id, coalesce(tweet_id, 0)) where closed_at is null;
        create index report_open on report (id) where closed_at is null;
        create index report_closed on report (id) where closed_at is not null;
        create index report_by_reporter on report (reporter_id, id);
        create index report_by_person on report (user_id);
    """)
