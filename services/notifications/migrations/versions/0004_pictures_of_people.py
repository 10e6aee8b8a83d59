"""Adds the picture of each person, which pages show beside the name."""

from chassis.database.migrations import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script("""
        alter table person
            add column picture text,
            add column picture_version bigint not null default 0;
    """)
