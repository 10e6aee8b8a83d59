"""Creates the table of sessions, so that each session can be listed and ended."""

from chassis.database.migrations import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_script("""
        create table user_session (
            digest bytea primary key,
            id bigint generated always as identity,
            user_id bigint not null references person,
            key_digest bytea not null references api_key on delete cascade,
            client varchar not null default '',
            created_at timestamptz not null default now(),
            expires_at timestamptz not null,
            used_at timestamptz not null default now(),
            ended_at timestamptz
        );
        create unique index user_session_id on user_session (id);
        create index ix_user_session_user_id on user_session (user_id);
        create index ix_user_session_key_digest on user_session (key_digest);
    """)
