"""Adds the colour that a page shows until a picture is loaded."""

from chassis.database.migrations import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_script("alter table media add column colour text")
