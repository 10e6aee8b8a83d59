"""Deleted tweets whose likes the worker still has to delete, a batch at a time.

A tweet with millions of likes cannot lose them in one statement. The code before this revision does
not know the table, and deletes likes as before.
"""

from chassis.database.migrations import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_script("create table likes_to_delete (tweet_id bigint primary key)")
