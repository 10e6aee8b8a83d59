"""Keys have names, scopes, an end, and a time of their last use."""

from chassis.database import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # The keys of before may do what their person may.
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
