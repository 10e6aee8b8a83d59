"""Creates the table of the records of pictures."""

from chassis.database.migrations import run_script
from chassis.messaging import inbox, outbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_script(outbox.CREATE)
    run_script(inbox.CREATE)
    run_script("""
        create table media (
            id bigint generated always as identity primary key,
            owner_id bigint not null,
            name text not null unique,
            content_type text not null,
            size integer not null,
            width integer not null,
            height integer not null,
            uploaded_at timestamptz not null default now(),
            taken_by bigint,
            expired_at timestamptz,
            removed_at timestamptz,
            purged_at timestamptz
        );
        create index media_untaken on media (uploaded_at)
            where taken_by is null and expired_at is null and removed_at is null;
        create index media_unpurged on media (id)
            where removed_at is not null and purged_at is null;
    """)
