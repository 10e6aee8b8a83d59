"""Creates the table of people's own pictures."""

from chassis.database.migrations import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_script("""
        create table portrait (
            id bigint generated always as identity primary key,
            user_id bigint not null,
            small text not null unique,
            small_size integer not null,
            medium text not null unique,
            medium_size integer not null,
            large text not null unique,
            large_size integer not null,
            uploaded_at timestamptz not null default now(),
            removed_at timestamptz,
            purged_at timestamptz
        );
        create index portrait_by_user on portrait (user_id);
        create unique index portrait_current on portrait (user_id) where removed_at is null;
        create index portrait_unpurged on portrait (id)
            where removed_at is not null and purged_at is null;
    """)
