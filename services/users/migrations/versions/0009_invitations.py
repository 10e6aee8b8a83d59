"""Creates the table of invitations, links with which a person gets their first key."""

from chassis.database.migrations import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_script("""
        create table invitation (
            digest bytea primary key,
            id bigint generated always as identity,
            user_id bigint not null references person,
            created_at timestamptz not null default now(),
            expires_at timestamptz not null,
            key_expires_at timestamptz,
            used_at timestamptz,
            revoked_at timestamptz
        );
        create unique index invitation_id on invitation (id);
        create index ix_invitation_user_id on invitation (user_id);
    """)
