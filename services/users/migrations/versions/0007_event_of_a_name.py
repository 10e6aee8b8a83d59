"""Adds the id of the event that announced a person's name.

Without it, a rename to the same name could not tell the client which event to wait for. It is null
for a name from before this revision.
"""

from chassis.database.migrations import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_script("alter table person add column name_version bigint")
