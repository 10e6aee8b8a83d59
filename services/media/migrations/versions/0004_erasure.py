"""Adds the table of erasures, and an index that finds the pictures of an erased person."""

from chassis.database.migrations import run_script
from chassis.privacy import erasure

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script(erasure.CREATE)
    run_script("create index media_by_owner on media (owner_id, id);")
