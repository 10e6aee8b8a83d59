"""Gives keys a name, a scope, an expiry and the time of their last use."""

from chassis.database.migrations import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # Existing keys keep all rights of their person.
    run_script("""
        alter table api_key
            add column id bigint generated always as identity,
            add column name varchar not null default '',
            add column scope text not null default 'admin',
            add column hint varchar not null default '',
            add column expires_at timestamptz,
            add column used_at timestamptz;
        create unique index api_key_id on api_key (id);
    """)
