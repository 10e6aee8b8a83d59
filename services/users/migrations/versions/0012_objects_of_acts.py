"""Lets the audit log name the tweet or report of an action and the role that it gave or took.

The columns are null in entries from before. The indexes serve the filters of the log.
"""

from chassis.database.migrations import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_script("""
        alter table act add column object_id bigint, add column role text;
        create index act_by_subject on act (subject_id, id);
        create index act_by_actor on act (actor_id, id);
    """)
