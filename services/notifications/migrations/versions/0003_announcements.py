"""Adds announcements, and why a moderator hid a tweet.

People who are known already count as registered before every announcement. A rebuild finds out when
they were registered, and so counts their rows as different.
"""

from chassis.database.migrations import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script("""
        alter table person add column registered_at timestamptz;
        update person set registered_at = '-infinity' where version > 0;
        alter table tweet
            add column hidden_reason text,
            add column hidden_version bigint not null default 0;
        create table announcement (
            tweet_id bigint primary key,
            author_id bigint not null,
            version bigint not null,
            occurred_at timestamptz not null
        );
        create index announcement_by_author on announcement (author_id);
    """)
