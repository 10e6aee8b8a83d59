"""Adds the version of whether a person is hidden: deactivated people can come back.

It is 0 for people whose deactivation was handled before this revision. The worker shows the
notifications of the people in `person_to_show` again, in batches.
"""

from chassis.database.migrations import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_script("""
        create table person_to_show (user_id bigint primary key);
        alter table person add column hidden_version bigint not null default 0;
    """)
