"""Adds digests of drafts, to detect a different draft with the same id."""

from chassis.database.migrations import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script("alter table draft add column digest bytea")
