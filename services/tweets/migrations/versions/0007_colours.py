"""Adds the colours of pictures to the copy of media's records."""

from chassis.database.migrations import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_script("alter table media add column colour text")
