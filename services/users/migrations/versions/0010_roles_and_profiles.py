"""Adds the roles of people, what they say about themselves, and their id in another register."""

from chassis.database.migrations import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_script("""
        alter table person
            add column moderator boolean not null default false,
            add column announcer boolean not null default false,
            add column about varchar,
            add column title varchar,
            add column department varchar,
            add column external_id varchar;
        create unique index person_external_id on person (external_id);
    """)
