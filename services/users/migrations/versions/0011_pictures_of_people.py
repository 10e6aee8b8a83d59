"""Adds each person's picture, of which media's events tell, and the inbox for such events."""

from chassis.database.migrations import run_script
from chassis.messaging import inbox

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_script(inbox.CREATE)
    run_script("""
        alter table person
            add column picture jsonb,
            add column picture_version bigint;
    """)
