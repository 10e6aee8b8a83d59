"""Adds the version of whether a person is active: deactivated people can come back.

It is 0 for people whose deactivation was handled before this revision.
"""

from chassis.database.migrations import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_script("alter table person add column active_version bigint not null default 0")
