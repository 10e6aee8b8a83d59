"""What was posted as a draft, to tell a draft that is posted again from another one."""

from chassis.database import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script("alter table draft add column digest bytea")
