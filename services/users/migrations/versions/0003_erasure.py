"""Adds the table of erasures, and indexes that find the follows of an erased person."""

from chassis.database.migrations import run_script
from chassis.privacy import erasure

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script(erasure.CREATE)
    run_script("""
        alter table person add column erased_at timestamptz;
        create index follow_ended on follow (followed_id) where not active;
    """)
